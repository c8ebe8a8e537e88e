"""The example with two services on machines, behind a real proxy that has the listener rules of its stack file."""
import json
import os
import re
import time

from world import BASE, HOST, SCRATCH, Machine, get, say, sh, until

PORT, MEMCACHED = 8081, 11213


def regex(text):
    """A regular expression for a pattern of listener rules."""
    assert "'" not in text, text
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def tests_of(condition):
    """The tests of HAProxy for one condition: any of them is enough."""
    field = condition["Field"]
    if field == "path-pattern":
        return [f"path -m reg '^{regex(path)}$'" for path in condition["PathPatternConfig"]["Values"]]
    if field == "host-header":
        return [f"req.hdr(host),field(1,:) -m reg -i '^{regex(host)}$'" for host in condition["HostHeaderConfig"]["Values"]]
    if field == "http-header":
        header = condition["HttpHeaderConfig"]
        return [f"req.hdr({header['HttpHeaderName']}) -m reg -i '^{regex(value)}$'" for value in header["Values"]]
    assert field == "query-string", f"a condition that the proxy does not know: {condition}"
    key = lambda pair: regex(pair["Key"]) if pair.get("Key") else "[^&=]*"
    return [f"query -m reg -i '(^|&){key(pair)}={regex(pair['Value'])}(&|$)'" for pair in condition["QueryStringConfig"]["Values"]]


def listener(found):
    """The lines of HAProxy for the rules: the one with the lowest priority whose conditions all hold answers."""
    rules = sorted(found["rules"].values(), key=lambda r: float("inf") if r["IsDefault"] else int(r["Priority"]))
    chosen, fixed_ones, forwards = [], [], []
    for number, rule in enumerate(rules):
        acls = []
        for i, condition in enumerate(rule["Conditions"]):
            for test in tests_of(condition):
                chosen.append(f"  acl rule-{number}-{i} {test}")
            acls.append(f"rule-{number}-{i}")
        chosen.append(f"  http-request set-var(txn.rule) int({number}) if !{{ var(txn.rule) -m found }} {' '.join(acls)}")
        [action] = rule["Actions"]
        mine = f"if {{ var(txn.rule) -m int {number} }}"
        if action["Type"] == "fixed-response":
            fixed = action["FixedResponseConfig"]
            fixed_ones.append(f"  http-request return status {fixed['StatusCode']} content-type text/plain string '{fixed.get('MessageBody', '')}' {mine}")
        else:
            [target] = action["ForwardConfig"]["TargetGroups"] if "ForwardConfig" in action else [action]
            forwards.append(f"  use_backend {slot(found['target_groups'][target['TargetGroupArn']])} {mine}")
    return chosen + fixed_ones + forwards


def slot(target_group):
    return target_group["tags"]["gameday:step"].removeprefix("target-group/")


def balance(world, fleets):
    """HAProxy, from the machines' root, as the load balancer: what the target says is what the client gets."""
    with open(f"{world.inputs}/rules.json") as f:
        found = json.load(f)
    folder = f"{SCRATCH}/balancer"
    os.makedirs(folder)
    lines = ["defaults", "  mode http", "  timeout connect 2s", "  timeout client 60s", "  timeout server 60s", "frontend listener", f"  bind {HOST}:{PORT}"]
    lines += listener(found)
    for group in found["target_groups"].values():
        machines = fleets[slot(group)]
        assert {m.port for m in machines} == {group["Port"]}, group
        lines += [f"backend {slot(group)}", "  balance roundrobin", "  http-response set-header X-Target %b/%s"]
        lines += [f"  server {m.name} {m.address}:{m.port}" for m in machines]
    with open(f"{folder}/haproxy.cfg", "w") as f:
        f.write("\n".join(lines) + "\n")
    sh("mount", "--bind", folder, f"{BASE}/mnt")
    world.start("balancer", "chroot", BASE, "/usr/lib/stand-ins/haproxy", "-db", "-f", "/mnt/haproxy.cfg")
    until("the proxy answers", 10, lambda: ask("/nobody")[0])
    say("the load balancer has these rules:\n" + "\n".join(listener(found)))


def ask(path, **headers):
    """Status, who answered, where the answer is from, the answer."""
    began = time.monotonic()
    status, told, body = get(HOST, path, port=PORT, timeout=30, headers=headers)
    seconds = time.monotonic() - began
    told = {name.lower(): value for name, value in told.items()}
    target, origin = told.get("x-target"), told.get("x-answer-from")
    say(f"   {status} {path}  {target or 'the balancer itself'}  {origin or '-'}  {seconds:.3f} s")
    return status, target, origin, body


def found_by_another(path, first, store, empty=lambda: None):
    """Asks until another machine has answered: it has the same answer, from the store. Before, others are emptied."""
    for _ in range(4):
        empty()
        status, target, origin, body = ask(path)
        assert (status, body) == (200, first[3]), (path, status, body)
        if target != first[1]:
            assert origin == store, (path, target, origin)
            return
    raise AssertionError(f"{path}: no other machine than {first[1]} answers")


def two_services(world):
    """Each path gets its service, an answer of one machine is found by the other, a row with a refused text is kept nowhere."""
    world.start_memcached(MEMCACHED)
    machines = [
        Machine(world, "root-1", "service-root"), Machine(world, "root-2", "service-root"),
        Machine(world, "lookup-1", "service-lookup", port=8080), Machine(world, "lookup-2", "service-lookup", port=8080),
    ]
    for machine in machines:
        machine.boot()
    for machine in machines:
        machine.serving(120)
    balance(world, {"root": machines[:2], "lookup-8080": machines[2:]})
    # Each has what it needs and no more.
    assert machines[0].inside("bash", "-c", "ls -A /run/gameday/secrets") == "", "the root server needs no password"
    assert "listening on port 8080" in machines[2].inside("cat", "/var/log/gameday/app_log")

    for path, fleet in (("/", "root"), ("/lookup?input=unicorn", "lookup-8080"), ("/lookup/deep", "lookup-8080")):
        first = ask(path)
        assert first[0] == 200 and first[1].startswith(f"{fleet}/") and first[2] == "computed", (path, first)
        found_by_another(path, first, "memcached")
        if fleet != "root":
            found_by_another(path, first, "postgres", empty=lambda: world.memcached(MEMCACHED, "flush_all"))
    assert ask("/healthcheck")[1].startswith("root/")
    for path in ("/other", "/lookup2", "/lookups/x", "/healthcheck/", "/LOOKUP"):
        assert ask(path)[:2] == (404, None), path
    mapper = {"User-Agent": "sqlmap/1.8"}
    for path, headers in (("/lookup/admin", {}), ("/lookup/admin/x?input=y", {}), ("/lookup?q=a-DROP-TABLE", {}), ("/?q=a-DROP-TABLE", mapper)):
        is_blocked = path.startswith("/lookup/admin") or bool(headers)
        status, target = ask(path, **headers)[:2]
        assert ((status, target) == (403, None)) == is_blocked, (path, status, target)

    sql = lambda text: world.postgres(text, "lookupdb")
    assert sql("SELECT unicornid FROM unicorns WHERE unicornid IN ('seed', 'old')") == "seed", "the old row is gone, the good one is not"
    for _ in range(2):
        assert ask("/lookup?input=xH@XX0RR333DDDx")[2] == "computed", "it is kept nowhere"
    assert sql("SELECT COUNT(*) FROM unicorns WHERE unicornid LIKE '%H@XX0RR333DDD%'") == "0"
    logs = "".join(machine.inside("cat", "/var/log/gameday/app_log") for machine in machines[2:])
    assert "not kept: postgres: " in logs and "refused by gameday" in logs, logs
    say("two services: each path has its service, answers are shared in each store, a refused row is kept nowhere")
    return machines
