"""The page in a real browser: light and dark, on a wall and on a phone, while things break and are repaired."""

import datetime
import os
import pathlib

import pytest
from conftest import World, until
from playwright.sync_api import expect, sync_playwright

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
SCREENS = pathlib.Path(os.environ["GAMEDAY_SCREENS"])
SIZES = {"wall": (1920, 1080), "phone": (375, 800)}
MORE_SIZES = {"full": (1600, 900), "laptop": (1366, 768)}


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["GAMEDAY_CHROMIUM"], args=["--no-sandbox"] if os.getuid() == 0 else []
        )
        yield browser
        browser.close()


class Page:
    def __init__(self, browser, server, size, scheme, picture=None, **more):
        width, height = (SIZES | MORE_SIZES)[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="UTC", **more
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.name, self.troubles = f"{size}-{scheme}", []
        self.page.on("console", lambda m: self.troubles.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.troubles.append(str(e)))
        self.page.on("request", lambda r: self.asked.append(r.url))
        self.asked = []
        if picture:
            self.page.route("**/status", lambda route: route.fulfill(json=picture))
        self.page.goto(server.url + "/")

    def says(self, word):
        expect(self.page.locator("#word")).to_have_text(word, timeout=60_000)

    def screen(self, what):
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_timeout(600)
        self.page.screenshot(path=SCREENS / f"{what}-{self.name}.png", full_page=True)

    def fits(self):
        width = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wide = """[...document.querySelectorAll('body *')]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .map((e) => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40))"""
        assert width <= 0, self.page.evaluate(wide)


@pytest.fixture(scope="module")
def numbers(world):
    """What CloudWatch would tell of an hour of traffic."""
    [balancer] = world.elbv2.describe_load_balancers(Names=["billing-main"])["LoadBalancers"]
    name = balancer["LoadBalancerArn"].split("loadbalancer/")[1]
    now = datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0)
    for back in range(2, 50):
        at = now - datetime.timedelta(minutes=back)
        values = {"RequestCount": 900 + 40 * (back % 9), "HTTPCode_Target_5XX_Count": 7.0 if back == 20 else 0.0}
        data = [
            {"MetricName": k, "Value": v, "Timestamp": at, "Dimensions": [{"Name": "LoadBalancer", "Value": name}]}
            for k, v in values.items()
        ]
        world.cloudwatch.put_metric_data(Namespace="AWS/ApplicationELB", MetricData=data)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_shows_what_is_on_every_screen(world, service, numbers, browser, size, scheme):
    _, url = service
    with world.serve("--probe", url) as server:
        page = Page(browser, server, size, scheme)
        page.says("SERVING")
        expect(page.page).to_have_title("✓ SERVING · billing")
        # The first line is seen without scrolling, and large.
        box = page.page.locator("#verdict").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= SIZES[size][1] / 2 and box["height"] >= 40, box
        dark = page.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == (scheme == "dark") and (ground == "rgb(10, 13, 18)") == dark, ground

        expect(page.page.locator("#facts")).to_contain_text("2 of 2 targets healthy")
        expect(page.page.locator("#facts")).to_contain_text("HTTP 200 in ")
        expect(page.page.locator("#left")).to_contain_text("T+1:2")
        expect(page.page.locator(".hop.good", has_text="balancer")).to_contain_text("✓")
        ids = [m["instanceId"] for m in server.ask("GET", "/elb/billing-main").json["message"]]
        assert len(ids) == 2
        for at in ids:
            expect(page.page.locator(".machine", has_text=at)).to_contain_text("✓ healthy")
        reservations = world.ec2.describe_instances(InstanceIds=ids)["Reservations"]
        for zone in {i["Placement"]["AvailabilityZone"] for r in reservations for i in r["Instances"]}:
            expect(page.page.locator("#zones h3", has_text=zone)).to_be_visible()
        expect(page.page.locator("#answers svg.line .stroke")).to_have_count(1)
        expect(page.page.locator("#traffic")).to_contain_text("/s")
        expect(page.page.locator("#cost")).to_contain_text("$")
        expect(page.page.locator("#age")).to_contain_text("AWS seen ")
        page.fits()
        page.screen("serving")
        # It needs nothing from anywhere else, and a browser has nothing to complain of.
        assert {u.rsplit("/", 1)[0] for u in page.asked if not u.startswith("data:")} == {server.url}, page.asked
        assert page.troubles == []
        page.context.close()


@pytest.mark.parametrize(("size", "scheme"), [("wall", "dark"), ("phone", "light")])
def test_it_follows_what_breaks_without_being_loaded_again(world, service, browser, size, scheme):
    stand_in, url = service
    with world.serve("--probe", url) as server:
        page = Page(browser, server, size, scheme)
        page.says("SERVING")
        page.page.evaluate("window.mark = 'the same page'")
        # What is sick is replaced at once at this pace: nobody may be.
        world.control("POST", "unhealthy", {"targets": ["*"]})
        # The balancer passes requests on to all of them: an answer alone proves nothing.
        page.says("NOT SERVING")
        stand_in.status = 503
        expect(page.page).to_have_title("✗ NOT SERVING · billing")
        expect(page.page.locator("#facts")).to_contain_text("HTTP 503")
        expect(page.page.locator("#finding")).to_be_visible()
        expect(page.page.locator(".hop.bad").first).to_contain_text("✗")
        expect(page.page.locator("#events")).to_contain_text("NOT SERVING")
        page.fits()
        page.screen("broken")

        world.control("POST", "unhealthy", {"targets": []})
        stand_in.status = 200
        page.says("SERVING")
        assert page.page.evaluate("window.mark") == "the same page"
        assert page.troubles == []

        server.end()
        page.says("CONNECTION LOST")
        expect(page.page.locator("#facts")).to_contain_text("last seen SERVING")
        assert "CONNECTION LOST" in page.page.title()
        page.fits()
        page.screen("lost")
        page.context.close()


def test_what_is_old_is_not_told_as_new(world, browser):
    with world.serve() as server:
        page = Page(browser, server, "phone", "dark")
        page.says("SERVING")
        expect(page.page.locator("#trouble")).to_be_hidden()
        world.control("POST", "faults", {"error500": 1.0})
        try:
            expect(page.page.locator("#trouble")).to_contain_text("The sandbox does not answer", timeout=90_000)
            expect(page.page.locator("#facts")).to_contain_text("that was ", timeout=90_000)
            expect(page.page).to_have_title("? SERVING · billing")
            page.fits()
            page.screen("old")
        finally:
            world.control("DELETE", "faults")
        expect(page.page.locator("#trouble")).to_be_hidden(timeout=180_000)
        expect(page.page).to_have_title("✓ SERVING · billing", timeout=90_000)
        assert page.troubles == []
        page.context.close()


def pictured(browser, server, size, change):
    """The page of a picture that is changed on its way."""
    picture = server.ask("GET", "/status").json
    change(picture)
    page = Page(browser, server, size, "dark", picture=picture)
    page.says(picture["word"])
    return page


def built(picture):
    everything = {"network": [23, 23], "database": [5, 5], "cache": [1, 2], "files": [4, 4], "launch": [2, 3]}
    everything |= {"balancer": [0, 4], "fleet": [0, 2], "monitoring": [11, 14]}
    build = {"done": 46, "all": 57, "groups": everything, "who": "anna@laptop has been running gameday up for 18 s"}
    build |= {"left_seconds": 65, "waiting_for": "cache/main", "under_way": True, "deleting": None}
    picture["seen"]["build"] = build
    picture["word"] = "BUILDING"
    for hop in picture["chain"]:
        hop["state"] = "bad"


def torn(picture):
    who = "anna@laptop has been running gameday teardown for 9 s"
    picture["seen"]["build"] = {"done": 57, "all": 57, "groups": {}, "deleting": who}
    picture["word"] = "NOT BUILT"


def risky(picture):
    picture["word"] = "AT RISK"
    picture["seen"]["risks"] = ["only one target is left, in us-east-1b", "1 of 2 addresses answer", "no alarm tells"]


def broken(picture):
    """The longest that there may be."""
    picture["word"] = "NOT SERVING"
    service = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
    rule = f"{service}:listener-rule/app/shop-main/98f0be6a296e722c/23ff3a5c3df2b7a1/aa38f51b2847b5bb"
    command = f"env $(gameday sandbox env) aws --region us-east-1 elbv2 delete-rule --rule-arn {rule}"
    cause, evidence = "another rule matches /healthcheck before ours", "priority 1 (path-pattern /*): fixed response 503"
    found = {"rule": "rule-stolen", "hop": "rule", "severity": "broken", "symptom": False, "trying": False}
    picture["findings"] = [{**found, "cause": cause, "evidence": evidence, "command": command, "note": None}]
    hop = next(h for h in picture["chain"] if h["hop"] == "rule")
    hop.update(state="bad", findings=picture["findings"])
    some = picture["instances"]
    picture["instances"] = [*some, *some]
    picture["events"] = [{"at": picture["at"], "kind": "path", "good": False, "text": cause * 3}] * 12


def crowded(picture):
    """More services than there is room for, most of them broken as well."""
    broken(picture)
    [one] = picture["services"]
    picture["service"], words = "service-0", ["NOT SERVING"] * 8 + ["UNKNOWN", "AT RISK", "SERVING", "SERVING"]
    picture["services"] = [
        {**one, "service": f"service-{n}", "word": word, "findings": picture["findings"]} for n, word in enumerate(words)
    ]


# Everything in one picture on a wall; what is smaller is scrolled.
INSIDE = """() => [...document.querySelectorAll('.card:not([hidden]), .hop, footer, header')]
    .map((e) => [e.getBoundingClientRect(), e.textContent.slice(0, 30)])
    .filter(([box]) => box.bottom > innerHeight + 1 || box.height < 20).map(([_, text]) => text)"""
OVER = """() => { const foot = document.querySelector('footer').getBoundingClientRect();
    const low = (e) => e.getBoundingClientRect().bottom > foot.top + 1;
    return [...document.querySelectorAll('.card')].filter(low).length }"""


@pytest.mark.parametrize("size", [*SIZES, *MORE_SIZES])
def test_while_it_is_built_or_taken_down_nothing_is_called_broken(world, browser, size):
    with world.serve() as server:
        until("the first picture", lambda: server.ask("GET", "/status").status == 200)
        for change in (built, torn, risky, broken, crowded):
            page = pictured(browser, server, size, change)
            look, wall = page.page, size in ("wall", "full")
            expect(look.locator("#services tbody tr")).to_have_count(12 if change is crowded else 0)
            if change in (broken, crowded):
                expect(look.locator("#finding code")).to_contain_text("delete-rule")
                expect(look.locator(".hop.bad")).to_contain_text("another rule matches")
            else:
                expect(look.locator(".hop.bad")).to_have_count(0)
                expect(look.locator("#finding")).to_be_hidden()
            if change is risky:
                expect(look.locator("#facts")).to_contain_text("only one target is left, in us-east-1b")
            if change is built:
                expect(look.locator("#count")).to_have_text(" 46/57")
                facts = "anna@laptop runs gameday up · about 1:05 left · waiting for cache/main"
                expect(look.locator("#facts")).to_have_text(facts)
                expect(look.locator("#steps")).to_have_text("57 steps, 11 to go")
                expect(look.locator(".hop.good", has_text="database")).to_contain_text("5 of 5 steps")
                expect(look.locator(".hop", has_text="balancer")).to_contain_text("0 of 4 steps")
            if change is torn:
                expect(look.locator("#facts")).to_have_text("anna@laptop runs gameday teardown")
            page.fits()
            page.screen(change.__name__)
            assert look.evaluate(OVER) == 0
            assert not wall or look.evaluate(INSIDE) == [], look.evaluate(INSIDE)
            assert page.troubles == []
            page.context.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A stack of two services, each with routes of its own."""
    two = World(tmp_path_factory.mktemp("two"))
    two.file = EXAMPLES / "root-and-lookup.toml"
    two.run("up", "--yes")
    return two


def test_of_several_services_it_says_which_is_broken(two, browser):
    with two.serve() as server:
        page = Page(browser, server, "wall", "light")
        page.says("SERVING")
        rows = page.page.locator("#services tbody tr")
        expect(rows).to_have_text(["▸ lookup✓ SERVING–2/2", "root✓ SERVING–2/2"])
        expect(page.page.locator("#facts")).to_contain_text("lookup · ")
        page.screen("services")
        page.context.close()

    [balancer] = two.elbv2.describe_load_balancers(Names=["two-servers-main"])["LoadBalancers"]
    [listener] = two.elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    for rule in two.elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]:
        if any("/healthcheck" in condition["PathPatternConfig"]["Values"] for condition in rule["Conditions"]):
            two.elbv2.delete_rule(RuleArn=rule["RuleArn"])
    with two.serve() as server:
        until("the first picture", lambda: server.ask("GET", "/status").status == 200)
        told = server.ask("GET", "/status").json
        assert [(one["service"], one["word"]) for one in told["services"]] == [("root", "NOT SERVING"), ("lookup", "SERVING")]
        assert told["service"] == "root" and told["word"] == "NOT SERVING"
        for size, scheme in (("wall", "dark"), ("phone", "light")):
            page = Page(browser, server, size, scheme)
            page.says("NOT SERVING")
            rows = page.page.locator("#services tbody tr")
            expect(rows).to_have_text(["▸ root✗ NOT SERVING–0/2", "lookup✓ SERVING–2/2"])
            expect(page.page.locator("#services [aria-current]")).to_contain_text("root")
            expect(page.page.locator("#facts")).to_contain_text("root · ")
            assert size != "wall" or page.page.evaluate(INSIDE) == []
            page.fits()
            page.screen("services-broken")
            assert page.troubles == []
            page.context.close()


def test_a_texts_markup_stays_text(world, browser):
    """What the account says is not the page's own: here an alarm's description."""
    evil = "<img src=x onerror=\"document.title='owned'\"><b>bold</b> \u202egnp.exe\u2066\u200b\x9b2J"
    [alarm] = world.cloudwatch.describe_alarms(AlarmNames=["billing-target-5xx"])["MetricAlarms"]
    taken = ("AlarmName", "MetricName", "Namespace", "Period", "Statistic", "EvaluationPeriods", "Threshold")
    kept = {k: alarm[k] for k in (*taken, "ComparisonOperator", "Dimensions")}
    world.cloudwatch.put_metric_alarm(**kept, AlarmDescription=evil)
    world.cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason=evil)
    with world.serve() as server:
        page = Page(browser, server, "wall", "light")
        expect(page.page.locator("#alarms")).to_contain_text("onerror")
        assert page.page.locator("main img, main b:has-text('bold')").count() == 0
        assert "owned" not in page.page.title() and page.troubles == []
        # What turns or hides text is seen to have been there; on the way it is escaped.
        expect(page.page.locator("#alarms")).to_contain_text("\ufffdgnp.exe\ufffd\ufffd\ufffd2J")
        for text in ("document.body.textContent", "fetch('status').then((answer) => answer.text())"):
            assert not set(page.page.evaluate(text)) & set("\u202e\u2066\u200b\x9b"), text
        page.context.close()
    world.run("up", "--yes")


def test_elsewhere_the_browser_asks_for_the_token(world, browser):
    with world.serve("--listen", "0.0.0.0:0", GAMEDAY_TOKEN="for the big screen") as server:
        right = {"username": "team", "password": "for the big screen"}
        page = Page(browser, server, "wall", "dark", http_credentials=right)
        page.says("SERVING")
        page.context.close()
        wrong = browser.new_context(http_credentials={"username": "team", "password": "guess"})
        answer = wrong.new_page().goto(server.url + "/")
        assert answer.status == 401
        wrong.close()
        until("it answers still", lambda: server.ask("GET", "/healthcheck").status == 200)
