"""A distribution is switched on and off before a service that serves. Wherever a run is cut, the next one finishes, and
there is always a way in."""

from itertools import product

from conftest import LONG, STACK, count, differences
from test_cuts import places

CDN = STACK + '[cdn]\nmode = "create"\n'
UP = ("up", "--yes")
CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"


def ways_in(w):
    """The ways on which a request of anybody's reaches the service now: `direct`, `distribution`."""
    [balancer] = w.elbv2.describe_load_balancers()["LoadBalancers"]
    [listener] = w.elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    rules = w.elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    rules.sort(key=lambda r: float("inf") if r["IsDefault"] else int(r["Priority"]))
    groups = [{"Name": "group-id", "Values": balancer["SecurityGroups"]}]
    allowed = [r for r in w.ec2.describe_security_group_rules(Filters=groups)["SecurityGroupRules"] if not r["IsEgress"]]
    anybody = any(r.get("CidrIpv4") == "0.0.0.0/0" for r in allowed)
    lists = {p["PrefixListId"]: p["PrefixListName"] for p in w.ec2.describe_managed_prefix_lists()["PrefixLists"]}
    cloudfront = any(lists.get(r.get("PrefixListId")) == CLOUDFRONT for r in allowed)

    def is_forwarded(headers):
        for rule in rules:
            asked = [c["HttpHeaderConfig"] for c in rule["Conditions"]]
            if all(headers.get(h["HttpHeaderName"].lower()) in h["Values"] for h in asked):
                return rule["Actions"][0]["Type"] == "forward"
        raise AssertionError(f"no default: {rules}")

    def serves(distribution):
        [origin] = distribution["Origins"]["Items"]
        sent = {h["HeaderName"].lower(): h["HeaderValue"] for h in origin["CustomHeaders"].get("Items", [])}
        known = distribution["Enabled"] and distribution["Status"] == "Deployed"
        return known and origin["DomainName"] == balancer["DNSName"] and is_forwarded(sent)

    ways = {"direct"} if anybody and is_forwarded({}) else set()
    every = w.cloudfront.list_distributions()["DistributionList"].get("Items", [])
    return ways | ({"distribution"} if (anybody or cloudfront) and any(map(serves, every)) else set())


def changes_of(w, text):
    """Makes the stack as this file says. Returns the number of changing calls of that, and what there is then."""
    w.edit(text)
    w.control("DELETE", "calls")
    w.up()
    return w.control("GET", "calls")["counts"]["mutating"], w.inventory()


def test_switched_on_and_off_and_cut_after_any_change(world):
    w = world
    w.up()
    (ons, with_it), (offs, without) = changes_of(w, CDN), changes_of(w, STACK)
    other = {CDN: STACK, STACK: CDN}
    # The next run goes on where the cut one was, or turns round.
    spots, ways = places(max(ons, offs), 2), (True, False)
    turns = product(spots, ways) if LONG else zip(spots, ways)
    tried, trouble = {CDN: 0, STACK: 0}, []
    for turn, ((n, goes_on), text) in enumerate(product(turns, (CDN, STACK))):
        # A balancer can have had 20 distributions before it.
        if turn % 10 == 8:
            w.reset()
            w.edit(STACK)
            w.up()
        name = f"{'on' if text == CDN else 'off'} cut after change {n}, and {'on' if goes_on else 'back'}"
        w.edit(text)
        tried[text] += w.cut(UP, n, changes=True)
        if not ways_in(w):
            trouble.append(f"{name}: nobody gets in")
        end = text if goes_on else other[text]
        w.edit(end)
        again = w.run(*UP, "--steal")
        if again.code != 0:
            trouble.append(f"{name}: {again.text[-1500:]}")
            continue
        if found := differences(w.inventory(), with_it if end == CDN else without):
            trouble.append(f"{name}: {found}")
        if ways_in(w) != ({"distribution"} if end == CDN else {"direct"}):
            trouble.append(f"{name}: the ways in are {ways_in(w)}")
        if changes := w.plan():
            trouble.append(f"{name}: the plan is not empty: {changes}")
        if not goes_on:
            w.edit(text)
            w.up()
    w.note_secrets()
    w.teardown()
    assert w.inventory() == w.empty
    count("cuts of a distribution", of_on=tried[CDN], of_off=tried[STACK], in_trouble=len(trouble))
    assert not trouble, "\n".join(trouble)


def test_nothing_is_closed_before_the_distribution_is_deployed_and_nothing_goes_before_the_balancer_is_open(world):
    w = world
    w.up()
    for text, waits, after in ((CDN, "being deployed", {"distribution"}), (STACK, "being disabled", {"direct"})):
        w.edit(text)
        # As long as on AWS: the distribution takes minutes, for a run that is killed and for the next one, too.
        w.control("POST", "pace?pace=real")
        try:
            for more in ([], ["--steal"]):
                run = w.start("--pace", "real", "-o", "json", *UP, *more)
                run.until(waits)
                assert ways_in(w) == {"direct"}
                run.kill()
        finally:
            w.control("POST", "pace?pace=instant")
        w.up("--steal")
        assert ways_in(w) == after and w.plan() == {}
