//! Updates in stages, and interim specs.
use super::*;

/// A door that is opened by a hand that must first be free: its update goes by stages, and what is taken from the
/// one before it waits for the last walk.
#[derive(Clone, Default)]
struct Door(Rc<RefCell<Hall>>);
#[derive(Default)]
struct Hall {
    open_to: Vec<u32>,
    /// Until when the older of them is used.
    used_until: Option<Instant>,
    log: Vec<String>,
}

struct DoorTo {
    hall: Door,
    room: u32,
    never_free: bool,
    older: bool,
}

#[derive(Serialize)]
struct Rooms {
    open_to: Vec<u32>,
}

impl Resource for DoorTo {
    const KIND: &'static str = "door";
    const STAGED: bool = true;
    const PATIENCE: Duration = Duration::from_secs(600);
    type Spec = Rooms;
    type Output = ();

    fn spec(&self, _: &Inputs) -> Rooms {
        Rooms { open_to: vec![self.room] }
    }
    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let hall = self.hall.0.borrow();
        let waits = hall.used_until.is_some_and(|t| Instant::now() < t);
        Ok((!hall.open_to.is_empty()).then(|| Found {
            id: "door".into(),
            spec: Rooms { open_to: hall.open_to.clone() },
            output: Some(()),
            phase: if waits { Phase::Busy("room 1 is still used".into()) } else { Phase::Ready },
            tags: cx.inherited(),
        }))
    }
    async fn create(&self, _: &Cx<'_>, want: &Rooms) -> Result<()> {
        self.hall.0.borrow_mut().open_to = want.open_to.clone();
        Ok(())
    }
    async fn update(&self, _: &Cx<'_>, want: &Rooms, found: &Found<Self>, _: &Diff) -> Result<()> {
        let mut hall = self.hall.0.borrow_mut();
        if found.spec.open_to.len() == 1 && want.open_to.len() == 1 {
            hall.open_to.extend(&want.open_to);
            hall.used_until = Some(Instant::now() + Duration::from_secs(if self.never_free { 1 << 20 } else { 120 }));
        } else {
            hall.open_to = want.open_to.clone();
        }
        let now = format!("{:?}", hall.open_to);
        hall.log.push(now);
        Ok(())
    }
    async fn delete(&self, _: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        self.hall.0.borrow_mut().open_to.clear();
        Ok(())
    }
    fn interim(&self, _: &Cx<'_>, found: &Found<Self>, mut want: Rooms) -> Rooms {
        if self.older {
            want.open_to = [&found.spec.open_to[..], &want.open_to].concat();
            want.open_to.sort_unstable();
            want.open_to.dedup();
        }
        want
    }
}

fn door(hall: &Door, room: u32, never_free: bool, older: bool) -> Graph {
    let mut g = Graph::default();
    g.add("main", DoorTo { hall: hall.clone(), room, never_free, older });
    g
}

#[tokio::test(start_paused = true)]
async fn an_update_by_stages_waits_between_them_wherever_it_is_cut() {
    for cut in [0, 1, 60, 119, 121, 300] {
        let hall = Door::default();
        assert_eq!(words(&up(&door(&hall, 1, false, false), &env()).await), ["main create"]);
        let second = door(&hall, 2, false, false);
        let _ = tokio::time::timeout(Duration::from_secs(cut), up(&second, &env())).await;
        assert!(up(&second, &env()).await.all_done(), "cut at {cut} s");
        assert_eq!(hall.0.borrow().log, ["[1, 2]", "[2]"], "cut at {cut} s");
        assert_eq!(words(&up(&second, &env()).await), ["main none"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_by_stages_that_never_gets_on_says_so_and_leaves_both() {
    let hall = Door::default();
    up(&door(&hall, 1, true, false), &env()).await;
    let begun = Instant::now();
    let report = up(&door(&hall, 2, true, false), &env()).await;
    let (_, error) = report.failed().next().unwrap();
    assert!(matches!(error, Error::StillBusy { last, .. } if last == "room 1 is still used"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(620), "all stages have one patience");
    assert_eq!(hall.0.borrow().open_to, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_an_older_one_still_needs_is_taken_away_by_the_last_walk_only() {
    let hall = Door::default();
    up(&door(&hall, 1, false, false), &env()).await;
    let (g, env) = (door(&hall, 2, false, true), env());
    assert_eq!(words(&plan(&g, &env).await), ["main update"]);
    let mut report = up(&g, &env).await;
    assert!(report.all_done());
    assert_eq!(hall.0.borrow().open_to, [1, 2]);
    assert!(crate::handover::is_unfinished(&env));
    crate::handover::finish(&g, &env, &mut report).await;
    assert!(report.all_done() && report.0.len() == 1 && !crate::handover::is_unfinished(&env));
    assert_eq!(hall.0.borrow().open_to, [2]);
}
