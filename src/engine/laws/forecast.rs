//! The forecast is the longest path.
use super::*;

#[test]
fn the_forecast_is_the_longest_path() {
    proptest!(|(edges in proptest::collection::vec((0usize..12, 0usize..12), 0..40),
                costs in proptest::collection::vec(0u64..500, 12))| {
        let w = World::default();
        let mut g = Graph::default();
        let mut refs: Vec<Ref<Thing>> = vec![];
        for (i, cost) in costs.iter().enumerate() {
            let links = edges.iter().filter(|(a, b)| *a == i && *b < i).map(|(_, b)| refs[*b].clone()).collect();
            refs.push(g.add(&format!("n{i}"), Thing { world: w.clone(), size: 1, links, slow: Typical::secs(*cost, 1, 1) }));
        }
        let ahead = g.nodes().map(|n| (n.key().clone(), Progress::Pending(n.typical().create))).collect();
        let (eta, path) = Forecast::new(&g, Direction::Forward).longest_path(&ahead);
        // The slow way: every path, by recursion.
        fn longest(i: usize, edges: &[(usize, usize)], costs: &[u64]) -> u64 {
            let before = edges.iter().filter(|(a, b)| *a == i && *b < i);
            costs[i] + before.map(|(_, b)| longest(*b, edges, costs)).max().unwrap_or(0)
        }
        let slow_way = (0..12).map(|i| longest(i, &edges, &costs)).max().unwrap();
        prop_assert_eq!(eta.as_secs(), slow_way);
        let along: u64 = path.iter().map(|k| costs[k.name()[1..].parse::<usize>().unwrap()]).sum();
        prop_assert_eq!(along, slow_way);
    });
}
