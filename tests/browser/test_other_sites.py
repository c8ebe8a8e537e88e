"""What a page of another site can do to the sandbox from within the user's browser: nothing. A real Chromium, in which
the names of the attacker lead to this machine."""

import http.server
import json
import os
import threading
import urllib.request

import boto3
import pytest
from botocore.config import Config
from playwright.sync_api import sync_playwright

URL, KEY = os.environ["GAMEDAY_SANDBOX_URL"], os.environ["GAMEDAY_SANDBOX_KEY"]
PORT = URL.rpartition(":")[2]
SECRET = "hunter2-of-the-database"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["GAMEDAY_CHROMIUM"],
            args=[
                "--host-resolver-rules=MAP *.example 127.0.0.1",
                # Newer Chromium asks the user before a page may reach this machine at all: not what protects us.
                "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights",
                *(["--no-sandbox"] if os.getuid() == 0 else []),
            ],
        )
        yield browser
        browser.close()


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title>")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def evil():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://evil.example:{server.server_port}/"
    server.shutdown()


def control(method, what):
    request = urllib.request.Request(
        f"{URL}/_gameday/{what}", method=method, headers={"Authorization": f"Bearer {KEY}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def client(service):
    return boto3.client(
        service,
        endpoint_url=URL,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key="x",
        config=Config(ignore_configured_endpoint_urls=True),
    )


@pytest.fixture
def page(browser):
    """Of somebody with a secret in the sandbox; afterwards nothing has been read of it, and nothing changed."""
    control("POST", "reset")
    client("ssm").put_parameter(Name="/prod/master", Value=SECRET, Type="SecureString")
    control("DELETE", "calls")
    context = browser.new_context()
    page = context.new_page()
    yield page
    context.close()
    assert control("GET", "calls")["calls"] == []
    assert control("GET", "health")["pace"] == "instant"
    value = client("ssm").get_parameter(Name="/prod/master", WithDecryption=True)["Parameter"]["Value"]
    assert value == SECRET, "the account was emptied"
    assert not os.path.exists("moto_recording")


FETCH = """async ([url, options]) => {
    try { const answer = await fetch(url, options); return `${answer.type} ${answer.status} ${await answer.text()}`; }
    catch (e) { return `blocked ${e}`; }
}"""


def signed(key):
    return f"AWS4-HMAC-SHA256 Credential={key}/20261130/us-east-1/ssm/aws4_request, SignedHeaders=host, Signature=0"


@pytest.mark.parametrize("key", ["sandbox", "testing", KEY])
def test_another_site_cannot_read_a_password(page, evil, key):
    page.goto(evil)
    body = json.dumps({"Name": "/prod/master", "WithDecryption": True})
    headers = {"X-Amz-Target": "AmazonSSM.GetParameter", "Content-Type": "application/x-amz-json-1.1"}
    said = page.evaluate(
        FETCH, [URL, {"method": "POST", "headers": {**headers, "Authorization": signed(key)}, "body": body}]
    )
    assert said.startswith("blocked"), said
    said = page.evaluate(FETCH, [f"{URL}/_gameday/calls", {"headers": {"Authorization": f"Bearer {key}"}}])
    assert said.startswith("blocked"), said


CHANGES = ["/_gameday/pace?pace=real", "/_gameday/reset", "/moto-api/reset", "/moto-api/recorder/start-recording"]


# As if the key had leaked: by an address alone.
VPC = f"/?Action=CreateVpc&CidrBlock=10.0.0.0/16&Version=2016-11-15&X-Amz-Credential={KEY}/20261130/us-east-1/ec2/aws4_request"


@pytest.mark.parametrize("path", [*CHANGES, VPC])
def test_another_site_cannot_change_anything_by_a_simple_request(page, evil, path):
    page.goto(evil)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        options = {"method": "POST", "mode": "no-cors", "headers": {"Content-Type": kind}, "body": "{}"}
        said = page.evaluate(FETCH, [URL + path, options])
        assert said == "opaque 0 " or said.startswith("blocked"), said
    assert not page.evaluate(f"navigator.sendBeacon('{URL}{path}', 'x') && false")
    for tag in ("img", "script", "iframe", "link"):
        page.evaluate(
            """([tag, url]) => new Promise((done) => {
                const e = document.createElement(tag);
                e.onload = e.onerror = done;
                if (tag === 'link') { e.rel = 'stylesheet'; e.href = url } else e.src = url;
                document.head.append(e); if (tag === 'iframe') document.documentElement.append(e);
            })""",
            [tag, URL + path],
        )


@pytest.mark.parametrize("path", CHANGES)
def test_another_site_cannot_change_anything_by_sending_the_user_there(page, evil, path):
    page.goto(evil)
    with page.expect_navigation():
        page.evaluate(
            """(url) => { const f = document.createElement('form'); f.method = 'post'; f.action = url;
                document.documentElement.append(f); f.submit(); }""",
            URL + path,
        )
    assert page.url.startswith(URL) and "the sandbox answers no browser" in page.inner_text("body")


def test_a_site_without_an_origin_is_refused_too(page, evil):
    page.goto(evil)
    said = page.evaluate(
        """(url) => new Promise((done) => {
            addEventListener('message', (e) => done(e.data));
            const f = document.createElement('iframe');
            f.setAttribute('sandbox', 'allow-scripts');
            f.srcdoc = `<script>fetch('${url}', {method: 'POST'}).then((a) => a.text())
                .then((t) => parent.postMessage(t, '*'), (e) => parent.postMessage('blocked ' + e, '*'))</script>`;
            document.documentElement.append(f);
        })""",
        f"{URL}/_gameday/reset",
    )
    assert said.startswith("blocked"), said


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example"])
def test_a_name_that_leads_to_this_machine_is_no_way_in(page, name):
    # DNS rebinding: for the browser the sandbox is now this site's own server.
    page.goto(f"http://{name}:{PORT}/_gameday/health")
    assert "not under another name" in page.inner_text("body")
    for path, options in (
        ("/_gameday/calls", {"headers": {"Authorization": f"Bearer {KEY}"}}),
        ("/_gameday/reset", {"method": "POST", "headers": {"Authorization": f"Bearer {KEY}"}}),
        ("/_gameday/proof/" + "a" * 64, {}),
        ("/moto-api/data.json", {}),
    ):
        said = page.evaluate(FETCH, [path, options])
        assert said.startswith("basic 403 "), said


def test_a_socket_is_not_opened(page, evil):
    page.goto(evil)
    said = page.evaluate(
        """(url) => new Promise((done) => { const s = new WebSocket(url);
            s.onopen = () => done('open'); s.onerror = () => done('refused'); })""",
        f"ws://127.0.0.1:{PORT}/_gameday/health",
    )
    assert said == "refused"


def test_an_address_with_the_key_in_it_does_nothing_as_an_image(page, evil):
    page.goto(evil)
    url = client("sts").generate_presigned_url("get_caller_identity")
    assert KEY in url
    page.evaluate(
        "(url) => new Promise((done) => { const i = new Image(); i.onload = i.onerror = done; i.src = url })", url
    )
