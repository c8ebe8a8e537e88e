"""Boots machines with rendered user data and looks at what comes of it. Started by tests/world/boot.rs: run.py INPUTS.

INPUTS/user-data/NAME are rendered scripts as EC2 gets them, INPUTS/web/ is what the machines download.
"""
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback

from copies import containers, copies
from services import two_services
from world import APP, HOST, MASTER, SCRATCH, Forward, Machine, World, get, say, sh, until

COMPUTE = 2.0
leaks = set()


def watch_process_list():
    """No password is ever seen in the list of processes, of any machine, at any moment we look."""
    while True:
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    line = f.read()
            except OSError:
                continue
            if MASTER.encode() in line or APP.encode() in line:
                leaks.add(line)
        time.sleep(0.05)


def calc(machine, text):
    began = time.monotonic()
    status, headers, body = get(machine.address, f"/calc?input={text}")
    assert status == 200, (machine.name, text, status, body)
    return headers["X-Answer-From"], time.monotonic() - began, body


def state_of(machine, database):
    """Everything a boot leaves behind: files with their content and owner, unit state, the database."""
    files = machine.inside(
        "bash", "-c",
        "cd / && find opt/gameday etc/systemd/system etc/logrotate.d etc/fstab etc/passwd -type f ! -path '*/cache/*' -print0 | sort -z |"
        " xargs -0 stat -c '%n %a %U:%G' ; find opt/gameday etc/systemd/system etc/fstab etc/passwd -type f -print0 | sort -z | xargs -0 sha256sum",
    )
    return files, database_state(machine.world, database)


def database_state(world, database):
    user = {"unicorndb": "gdapp", "tendb": "tenapp"}[database]
    return world.sql(
        f"SHOW CREATE TABLE {database}.unicorns; SHOW GRANTS FOR {user}@'%'; SELECT * FROM {database}.gameday_applied;"
        f"SELECT COUNT(*) FROM {database}.unicorns WHERE unicornid = 'seed'; SELECT User, Host, plugin FROM mysql.user ORDER BY 1, 2"
    )


def two_machines(world):
    one = Machine(world, "one", "main", zone="us-east-1a").boot()
    two = Machine(world, "two", "main", zone="us-east-1b").boot()
    for machine in (one, two):
        machine.serving(90)
    world.balance([one, two])
    say("two machines serve. What the balancer saw of", one.name + ":")
    for at, key, report in one.seen:
        say(f"   +{at:5.1f} s  {key[0]}", json.dumps(report) if report else "")
    say("log of", one.name + ":\n" + one.inside("cat", "/var/log/gameday-boot.log"))
    stages = [k[1] for _, k, _ in one.seen if k[0] == 503]
    assert stages[0] == "beacon" or stages[0] == "packages", stages
    assert {"fetch", "database"} & set(stages), stages
    first = one.seen[[k[0] for _, k, _ in one.seen].index(503)]
    assert first[2]["seconds"] <= 3, first
    targets = {get(HOST)[1].get("X-Target") for _ in range(8)}
    assert targets == {one.address + ":80", two.address + ":80"}, targets

    # The right mount target of the own zone, and it is the shared directory.
    assert "mounttargetip=10.213.0.21" in one.inside("cat", "/etc/fstab")
    assert "mounttargetip=10.213.0.22" in two.inside("cat", "/etc/fstab")
    ini = one.inside("cat", "/opt/gameday/app/server.ini")
    quoted = APP.replace("\\", "\\\\").replace('"', '\\"')
    assert f'"MysqlPass" = "{quoted}"' in ini and '"FsPath" = "/mnt/efs/"' in ini and '"LogLocation" = "/var/log/gameday/"' in ini, ini
    assert one.inside("stat", "-c", "%a %U:%G", "/opt/gameday/app/server.ini") == "640 gameday:gameday"
    assert one.inside("stat", "-c", "%a %U:%G", "/opt/gameday/release", "/opt/gameday/release/server") == "755 root:root\n755 root:root"
    assert "listening" in one.inside("cat", "/var/log/gameday/app_log")
    assert one.inside("ps", "-o", "user=", "-C", "server") == "gameday"
    assert "fetch-config" in until("agent", 20, lambda: one.inside("cat", "/var/log/agent-stand-in.log", check=False))
    assert one.inside("systemctl", "is-enabled", "gameday-billing") == "enabled"
    one.inside("logrotate", "--debug", "/etc/logrotate.d/gameday")
    return one, two


def shared_answers(world, one, two):
    """Computed by one, served fast by two: from each of the three stores in turn, the others emptied."""
    for store in ("redis", "mysql", "file"):
        by, slow, answer = calc(one, f"ask-{store}")
        assert by == "computed" and slow >= COMPUTE, (by, slow)
        if store != "redis":
            world.redis("FLUSHALL")
        if store != "mysql":
            world.sql("DELETE FROM unicorndb.unicorns WHERE unicornid <> 'seed'")
        if store != "file":
            for path in glob.glob(f"{world.share}/*"):
                os.unlink(path)
        by, fast, again = calc(two, f"ask-{store}")
        assert (by, again) == (store, answer) and fast < COMPUTE / 4, (store, by, fast)
        say(f"shared answer: {slow:.3f} s computed by one, {fast:.3f} s by two from {by}")


def queue(one):
    """Five at once, five wait, the rest is sent away."""
    codes = []
    threads = [threading.Thread(target=lambda i=i: codes.append(get(one.address, f"/calc?input=burst{i}", timeout=30)[0])) for i in range(14)]
    for thread in threads:
        thread.start()
    # None of the five is done before all have come: an answer takes COMPUTE seconds.
    until("five run and five wait", COMPUTE, lambda: get(one.address)[2].startswith('{"running":5,"waiting":5}'))
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] * 10 + [503] * 4, codes


def table_and_user(world):
    columns = world.sql(
        "SELECT column_name, column_type, is_nullable, column_default, column_key, extra FROM information_schema.columns"
        " WHERE table_schema = 'unicorndb' AND table_name = 'unicorns' ORDER BY ordinal_position"
    )
    assert columns == "unicornid\tvarchar(256)\tYES\tNULL\t\t\nunicornlocation\tvarchar(256)\tYES\tNULL", columns
    def as_app(text):
        return subprocess.run(
            ["mariadb", "--no-defaults", f"-h{HOST}", "-ugdapp", "unicorndb", "-e", text],
            env={**os.environ, "MYSQL_PWD": APP}, capture_output=True, text=True,
        )

    for text in ("DROP TABLE unicorns", "ALTER TABLE unicorns ADD x int", "CREATE TABLE t (a int)", "CREATE USER x", "SELECT * FROM mysql.user"):
        done = as_app(text)
        assert done.returncode and "denied" in done.stderr, (text, done)
    assert as_app("INSERT INTO unicorns VALUES ('a', 'b'); UPDATE unicorns SET unicornlocation = 'c' WHERE unicornid = 'a'; DELETE FROM unicorns WHERE unicornid = 'a'").returncode == 0
    grants = world.sql("SHOW GRANTS FOR gdapp@'%'")
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON `unicorndb`.* TO `gdapp`@`%`" in grants and "ALL" not in grants, grants
    say("table exact; the application's user may not drop, alter, create, or read mysql.user")


def again(world, one):
    """Boot script and user data a second time: nothing changes, and the service does not even notice."""
    before = state_of(one, "unicorndb")
    pid = one.inside("systemctl", "show", "-p", "MainPID", "--value", "gameday-billing")
    proxy = one.inside("pgrep", "-f", "^efs-proxy")
    lines = len(one.inside("cat", "/var/log/gameday-boot.log").splitlines())
    one.inside("bash", "/var/lib/cloud/instance/scripts/part-001")
    until("second run", 20, lambda: "the service runs already" in "\n".join(one.inside("cat", "/var/log/gameday-boot.log").splitlines()[lines:]))
    # And every stage by hand, while it serves.
    for stage in ("packages", "files", "secrets", "fetch", "config", "database", "cache", "agent"):
        one.inside("/opt/gameday/boot", "stage", stage)
    after = state_of(one, "unicorndb")
    assert before == after, "\n".join(set(str(before).split("\\n")) ^ set(str(after).split("\\n")))
    assert pid == one.inside("systemctl", "show", "-p", "MainPID", "--value", "gameday-billing")
    assert proxy == one.inside("pgrep", "-f", "^efs-proxy"), "the proxy of the shared files ended with the first boot"
    say("a second boot changes nothing, and the service runs on")


def kill_and_reboot(world, one):
    pid = one.inside("systemctl", "show", "-p", "MainPID", "--value", "gameday-billing")
    one.inside("kill", "-9", pid)
    at = time.monotonic()
    until("restart", 15, lambda: one.inside("systemctl", "show", "-p", "MainPID", "--value", "gameday-billing") not in (pid, "0") and get(one.address)[0] == 200)
    say(f"killed: serves again after {time.monotonic() - at:.1f} s")
    before = state_of(one, "unicorndb")
    runs = one.inside("cat", "/var/log/gameday-boot.log").count("the service runs already")
    leader = one.process.pid
    at = time.monotonic()
    one.inside("systemctl", "reboot", check=False)
    until("it goes down", 30, lambda: one.process.pid != leader)
    until("it serves again", 60, lambda: get(one.address)[0] == 200)
    say(f"rebooted: serves again after {time.monotonic() - at:.1f} s")
    until("watch", 20, lambda: one.inside("cat", "/var/log/gameday-boot.log").count("the service runs already") > runs)
    until("mounted again", 40, lambda: one.inside("mountpoint", "/mnt/efs", check=False).endswith("is a mountpoint"))
    after = state_of(one, "unicorndb")
    assert before == after, "\n".join(set(str(before).split("\\n")) ^ set(str(after).split("\\n")))


def redis_goes_away(world, one, two):
    """Long after the boot something it needs is gone: the beacon comes back and names it; then it recovers."""
    world.redis("SHUTDOWN", "NOSAVE")
    mark = len(two.seen)
    two.inside("kill", "-9", two.inside("systemctl", "show", "-p", "MainPID", "--value", "gameday-billing"))
    at = time.monotonic()

    def named():
        return next((r for _, k, r in two.seen[mark:] if k[0] == 503 and "Redis is not reachable" in str(k[3])), None)

    report = until(lambda: f"beacon: {two.story()[mark:]}", 60, named)
    say(f"Redis away, the service keeps ending: the beacon is back after {time.monotonic() - at:.1f} s: {json.dumps(report)}")
    assert get(one.address)[0] == 200, "who still runs is left alone"
    world.start_redis()
    at = time.monotonic()
    until("it serves again", 60, lambda: two.seen[-1][1][0] == 200)
    say(f"Redis back: serves again after {time.monotonic() - at:.1f} s")


def memcached(world):
    """The root server on two machines, which wait for memcached: an answer that one computes is found by the other, on
    whichever of the two nodes it is; a node that is lost costs its answers and nothing else."""
    one = Machine(world, "root-one", "root", zone="us-east-1a").boot()
    two = Machine(world, "root-two", "root", zone="us-east-1b").boot()
    for machine in (one, two):
        report = machine.beacon("failed cache", 120, lambda r: r.get("status") == "failed" and r.get("stage") == "cache")
        assert f"memcached is not reachable at {HOST}:11211" in report["error"], report
    say(f"memcached is not there yet: {json.dumps(report)}")
    # Something listens there that does not speak memcached: it is told apart.
    silent = Silent(11211)
    report = one.beacon("silent cache", 60, lambda r: "does not tell its version" in str(r.get("error")))
    say(f"something else listens: {json.dumps(report)}")
    silent.close()
    first, second = world.start_memcached(11211), world.start_memcached(11212)
    for machine in (one, two):
        machine.serving(60)
    ini = one.inside("cat", "/opt/gameday/app/root.ini")
    assert f'"MemcachedServers" = "{HOST}:11211,{HOST}:11212"' in ini, ini
    assert "memcached: VERSION" in one.inside("cat", "/var/log/gameday/app_log")
    items = lambda port: int(re.search(r"STAT curr_items (\d+)", world.memcached(port, "stats"))[1])
    asked = 0
    # The keys decide which node has the answer: both have to get some.
    while not (items(11211) and items(11212)):
        asked += 1
        path = f"/page-{asked}"
        by, slow, answer = root(one, path)
        assert by == "computed" and slow >= COMPUTE, (by, slow)
        by, fast, again = root(two, path)
        assert (by, again) == ("memcached", answer) and fast < COMPUTE / 4, (path, by, fast)
        say(f"{path}: {slow:.3f} s computed by one, {fast:.3f} s by two from memcached")
        assert asked < 40, "one node has all the keys"
    second.kill()
    second.wait()
    found = [root(two, f"/page-{n}")[0] for n in range(1, asked + 1)]
    assert "memcached" in found and "computed" in found, found
    say(f"a node is lost, every request is answered: {found}")
    for machine in (one, two):
        no_secret(machine)
        machine.stop()
    first.kill()


class Silent:
    """A server that takes connections and says nothing."""

    def __init__(self, port):
        self.socket = socket.create_server((HOST, port))

    def close(self):
        self.socket.close()


def root(machine, path):
    began = time.monotonic()
    status, headers, body = get(machine.address, path)
    assert status == 200, (machine.name, path, status, body)
    return headers["X-Answer-From"], time.monotonic() - began, body


CANARY = "root:$6$salt$HASHCANARY:1::"


class Treasure:
    """Files of root's on a machine, and folders, that are the same in the end: content, owner, mode."""

    FILES = ("shadow", "unit", "boot")

    def __init__(self, machine):
        self.machine = machine
        machine.inside("bash", "-c", f"umask 077; mkdir -p /root/treasure/folder; cd /root/treasure; for f in {' '.join(self.FILES)}; do echo '{CANARY}' >$f; done; echo '{CANARY}' >folder/inner")
        self.before = self.state()

    def state(self):
        return self.machine.inside("bash", "-c", "find /root/treasure /root /etc/passwd /etc/shadow -maxdepth 0 -printf '%p %m %u %g\\n'; find /root/treasure -printf '%p %m %u %g %y\\n' | sort; find /root/treasure -type f -print0 | sort -z | xargs -0 sha256sum")

    def untouched(self, by):
        after = self.state()
        assert after == self.before, (by, self.before, after)


def as_service(machine, text):
    """What a service that was taken over does on its machine."""
    machine.inside("chmod", "711", "/root")  # links into it are resolved by whoever may; reading is another matter
    return machine.inside("runuser", "-u", "gameday", "--", "bash", "-c", f"cd /opt/gameday/app && {text}")


def hostile_links(world, one):
    """The service lays links in its folders, and root goes through every stage that touches them."""
    one.inside("chmod", "711", "/root")
    treasure = Treasure(one)
    links = (
        "for name in .server.new server.new server .source .server.ini.new server.ini.new server.ini app_log .archive.new .new.new; do"
        " rm -rf $name; ln -s /root/treasure/shadow $name; done; rm -rf cache .new; ln -s /root/treasure/folder cache; ln -s /root/treasure/folder .new;"
        " ln -sf /root/treasure/shadow /var/log/gameday/app_log; ln -sfn /root/treasure/folder /var/log/gameday/old"
    )
    for again_from_the_web in (False, True):
        as_service(one, links)
        if again_from_the_web:
            one.inside("rm", "-f", "/opt/gameday/release/.source")
        for stage in ("fetch", "config", "agent", "files"):
            one.inside("/opt/gameday/boot", "stage", stage)
            treasure.untouched(f"stage {stage}")
    # What it has laid is put right in its own folder, and all is its own.
    assert one.inside("stat", "-c", "%F %U", "/opt/gameday/app/server", "/opt/gameday/app/server.ini") == "regular file gameday\nregular file gameday"
    assert one.inside("sha256sum", "/opt/gameday/app/server").split()[0] == one.inside("sha256sum", "/opt/gameday/release/server").split()[0]
    # Folders in the place of files, and a fifo that would hold up whoever opens it.
    as_service(one, "rm -rf server server.ini .server.new; mkdir -p server/x .server.new/y && mkfifo server.ini")
    for stage in ("fetch", "config"):
        one.inside("timeout", "30", "/opt/gameday/boot", "stage", stage)
    assert one.inside("stat", "-c", "%F", "/opt/gameday/app/server", "/opt/gameday/app/server.ini") == "regular file\nregular file"
    treasure.untouched("folders and fifos")

    # Log rotation: what is a link is left alone, what is a log is rotated.
    for folder in ("/var/log/gameday", "/opt/gameday/app"):
        as_service(one, f"ln -sf /root/treasure/shadow {folder}/app_log; ln -sf /root/treasure/unit {folder}/app_log.1; ln -sf /root/treasure/boot {folder}/app_log.1.gz")
    one.inside("logrotate", "--force", "/etc/logrotate.d/gameday", check=False)
    treasure.untouched("log rotation")
    as_service(one, "for folder in /var/log/gameday /opt/gameday/app; do rm -f $folder/app_log*; for log in app_log access_log; do echo word >$folder/$log; done; done")
    one.inside("logrotate", "--force", "/etc/logrotate.d/gameday")
    for folder in ("/var/log/gameday", "/opt/gameday/app"):
        for log in (f"{folder}/app_log", f"{folder}/access_log"):
            assert one.inside("zcat", f"{log}.1.gz") == "word" and one.inside("cat", log) == "", log
    # The agent reads the logs with rights of its own.
    agent = json.loads(one.inside("cat", "/opt/gameday/etc/agent.json"))
    assert agent["agent"]["run_as_user"] == "cwagent" and "gameday" in one.inside("id", "-nG", "cwagent").split()
    sent = {entry["file_path"]: entry["log_stream_name"] for entry in agent["logs"]["logs_collected"]["files"]["collect_list"]}
    assert (sent["/var/log/gameday/app_log"], sent["/var/log/gameday/access_log"]) == ("{instance_id}", "{instance_id}/access_log"), sent
    assert sent["/opt/gameday/app/access_log"] == "{instance_id}/app/access_log", sent
    for path in ("/var/log/gameday-boot.log", "/var/log/gameday/app_log", "/var/log/gameday/access_log", "/var/log/cloud-init-output.log"):
        one.inside("runuser", "-u", "cwagent", "--", "test", "-r", path)
    assert CANARY not in as_cwagent(one), "the agent's user reads what the service's link names"
    one.inside("rm", "-rf", "/root/treasure")
    one.inside("chmod", "700", "/root")
    one.inside("systemctl", "restart", "gameday-billing")
    until("it serves again", 60, lambda: get(one.address)[0] == 200)
    say("links, folders and fifos of the service: root's files are what they were, and the service serves")


def as_cwagent(machine):
    as_service(machine, "ln -sf /root/treasure/shadow /var/log/gameday/app_log")
    return machine.inside("bash", "-c", "runuser -u cwagent -- cat /var/log/gameday/app_log 2>&1; rm /var/log/gameday/app_log", check=False)


def no_metadata(one):
    """The role's credentials are for root, not for the service's user, in its unit or out of it; also after a reboot."""
    ask = "curl -sS --noproxy '*' -m 3 -o /dev/null -w '%{http_code}' -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token 2>&1"
    assert one.inside("bash", "-c", ask) == "200", "root and the agent ask it"
    assert one.inside("runuser", "-u", "cwagent", "--", "bash", "-c", ask) == "200"
    said = one.inside("runuser", "-u", "gameday", "--", "bash", "-c", ask, check=False)
    assert "200" not in said and ("denied" in said.lower() or "connect" in said.lower()), said
    rules = one.inside("ip", "rule", "show")
    one.inside("/opt/gameday/boot", "stage", "metadata")
    assert rules == one.inside("ip", "rule", "show") and rules.count("169.254.169.254") == 1, rules
    denied = one.inside("systemctl", "show", "-p", "IPAddressDeny", "--value", "gameday-billing").split()
    assert "169.254.169.254/32" in denied and "fd00:ec2::254/128" in denied, denied
    say("instance metadata: root and the agent are answered, the service's user is not")


def quiet_end(world):
    """A service that says nothing when it ends, with its logs laid as a link and as a fifo: root tells nobody's secrets."""
    machine = Machine(world, "silent", "silent")
    machine.write("root/shadow", CANARY)
    os.chmod(f"{machine.root}/root/shadow", 0o600)
    for folder in ("opt/gameday/app", "var/log/gameday"):
        os.makedirs(f"{machine.root}/{folder}")
    os.symlink("/root/shadow", f"{machine.root}/var/log/gameday/app_log")
    # The folder for files of a stack without shared ones.
    os.makedirs(f"{machine.root}/root/folder")
    os.symlink("/root/folder", f"{machine.root}/opt/gameday/app/cache")
    os.chmod(f"{machine.root}/root", 0o711)
    os.mkfifo(f"{machine.root}/opt/gameday/app/app_log")
    machine.boot()
    report = machine.beacon("failed service", 120, lambda r: r.get("status") == "failed" and r.get("stage") == "service")
    log = machine.inside("cat", "/var/log/gameday-boot.log")
    assert "HASHCANARY" not in json.dumps([r for _, _, r in machine.seen]) + log, report
    assert machine.inside("stat", "-c", "%U %a", "/root/folder") == "root 755", "the folder behind the link was given away"
    assert "it said: nothing" in log, "what the beacon keeps to itself is in the log"
    say(f"silent: {json.dumps(report)}")
    no_secret(machine)
    machine.stop()


def ten_at_once(world):
    at = time.monotonic()
    machines = [Machine(world, f"ten{i}", "ten").boot() for i in range(10)]
    for machine in machines:
        machine.serving(150)
    did = [m.name for m in machines if "its table and the user" in m.inside("cat", "/var/log/gameday-boot.log")]
    say(f"ten machines booted at once: all serve after {time.monotonic() - at:.1f} s; set up by {did}")
    assert len(did) == 1, did
    state = database_state(world, "tendb")
    assert "\nmore.sql\t" in state and "\n1\n" in state, state
    assert world.sql("SELECT COUNT(*) FROM tendb.unicorns WHERE unicornid = 'seed'") == "1"
    for machine in machines:
        machine.stop()


# Beside the rows of tests/world/boot.rs: what is refused, and what only looks like it.
REFUSED = ["H@XX0RR333DDD", "before H@XX0RR333DDD after", "it's \\ \"100%_\" `x` $y 🦄"]
KEPT = ["h@xx0rr333ddd", "H@XX0RR333DD D", "it's \\ \"100x_\" `x` $y 🦄", "100%_"]


def rows_are_refused(sql, app, quote, narrow=False):
    """By the database itself, in every column of every table, for INSERT and UPDATE; older rows are gone."""
    assert sql("SELECT COUNT(*) FROM unicorns WHERE unicornid = 'old'") == "0"
    assert sql("SELECT COUNT(*) FROM unicorns WHERE unicornid = 'seed'") == "1" and sql("SELECT COUNT(*) FROM unicorns WHERE unicornid IS NULL") == "1"
    assert sql("SELECT name FROM more") == "h@xx0rr333ddd"
    # In a table of one byte a character (`narrow`), a text may have no place at all.
    fits = lambda statement, text: not narrow or text.isascii() or "more" in statement
    statements = 0
    for text in REFUSED:
        for statement in filter(lambda s: fits(s, text), (
            f"INSERT INTO unicorns VALUES ({quote(text)}, 'b')", f"INSERT INTO unicorns VALUES (NULL, {quote(text)})",
            f"UPDATE unicorns SET unicornlocation = {quote(text)} WHERE unicornid = 'seed'",
            f"INSERT INTO more (name) VALUES ({quote(text)})", f"INSERT INTO unicorns VALUES ('good', 'row'), ({quote(text)}, NULL)",
            f"UPDATE more SET name = {quote(text)}",
        )):
            done = app(statement)
            assert done.returncode and "refused by gameday" in done.stderr, (statement, done)
            statements += 1
    for text in KEPT:
        for table, column in (("unicorns", "unicornid"), ("more", "name")):
            statement = f"INSERT INTO {table} ({column}) VALUES ({quote(text)})"
            if fits(statement, text):
                assert app(statement).returncode == 0, (statement, app(statement))
                assert sql(f"SELECT COUNT(*) > 0 FROM {table} WHERE {column} = {quote(text)}") in ("1", "t"), text
    assert sql("SELECT COUNT(*) FROM unicorns WHERE unicornid = 'good'") == "0"
    app("DELETE FROM more WHERE name <> 'h@xx0rr333ddd'")
    app("DELETE FROM unicorns WHERE unicornid NOT IN ('seed')")
    return statements


def refused_rows(machine):
    """What the machine says of the number of refused and deleted rows, read as `gameday status` reads it."""
    machine.inside("/opt/gameday/boot", "stage", "refused")
    return int(machine.inside("tail", "-n", "1", "/var/log/gameday-refused.log").split()[-1])


def mysql_app(text):
    return subprocess.run(
        ["mariadb", "--no-defaults", "--default-character-set=utf8mb4", f"-h{HOST}", "-ugdapp", "unicorndb", "-e", text],
        env={**os.environ, "MYSQL_PWD": APP}, capture_output=True, text=True,
    )


def mysql_quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def mysql_refuses(world, one):
    """The rows with the texts, then those with another list's, which a machine of the earlier list does not undo."""
    sql = lambda text: world.sql(f"SET NAMES utf8mb4; USE unicorndb; {text}")
    before = refused_rows(one)
    statements = rows_are_refused(sql, mysql_app, mysql_quote, narrow=True)
    assert refused_rows(one) == before + statements, (before, statements)
    lines = one.inside("cat", "/var/log/gameday-refused.log")
    assert refused_rows(one) == before + statements and one.inside("cat", "/var/log/gameday-refused.log") == lines, "said once"
    other = Machine(world, "other-texts", "other-texts").boot()
    other.serving(90)
    one.inside("/opt/gameday/boot", "stage", "database")
    done = mysql_app("INSERT INTO unicorns VALUES ('another', 'b')")
    assert done.returncode and "refused by gameday" in done.stderr, done
    assert mysql_app("INSERT INTO unicorns VALUES ('H@XX0RR333DDD', 'b')").returncode == 0
    assert refused_rows(one) == before + statements + 1, "another list goes on counting"
    other.stop()
    say("MySQL: rows with the texts are refused and deleted, and a later list is the one that counts")


def postgres_refuses(world, one):
    sql = lambda text: world.postgres(text, "unicorndb")
    quote = lambda text: "'" + text.replace("'", "''") + "'"
    app = lambda text: as_app("unicorndb", text)
    before = refused_rows(one)
    statements = rows_are_refused(sql, app, quote)
    assert refused_rows(one) == before + statements, (before, statements)
    assert "permission denied" in app("INSERT INTO gameday_refused (amount) VALUES (5)").stderr
    done = app("INSERT INTO more (raw) VALUES (convert_to('H@XX0RR333DDD', 'UTF8'))")
    assert "refused by gameday" in done.stderr, done
    other = Machine(world, "postgres-other-texts", "postgres-other-texts").boot()
    other.serving(90)
    one.inside("/opt/gameday/boot", "stage", "database")
    assert "refused by gameday" in app("INSERT INTO unicorns VALUES ('another', 'b')").stderr
    assert app("INSERT INTO unicorns VALUES ('H@XX0RR333DDD', 'b')").returncode == 0
    other.stop()
    none = Machine(world, "postgres-no-texts", "postgres-no-texts").boot()
    none.serving(90)
    assert app("INSERT INTO unicorns VALUES ('another', 'b')").returncode == 0
    assert sql("SELECT COUNT(*) FROM pg_trigger WHERE tgname = 'gameday_refuse'") == "0"
    none.stop()
    say("PostgreSQL: rows with the texts are refused and deleted, a later list is the one that counts, and an empty one takes all away")


def as_app(database, text):
    """What the service's user gets from PostgreSQL."""
    return subprocess.run(
        ["psql", "-h", HOST, "-U", "gdapp", "-d", database, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text],
        env={**os.environ, "PGPASSWORD": APP}, capture_output=True, text=True,
    )


def postgres_state(world, database="unicorndb"):
    return world.postgres(
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position;"
        "SELECT relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1; SELECT * FROM gameday_applied;"
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1;"
        "SELECT nspname, nspacl FROM pg_namespace WHERE nspname = 'public'; SELECT * FROM unicorns ORDER BY 1",
        database,
    )


def postgres(world):
    """Two machines at once set PostgreSQL up, one of them does it, and the service's user may do its work and no more."""
    machines = [Machine(world, f"postgres{i}", "postgres").boot() for i in range(2)]
    for machine in machines:
        machine.serving(90)
    logs = [machine.inside("cat", "/var/log/gameday-boot.log") for machine in machines]
    did = [log for log in logs if "its table and the user gdapp are there" in log]
    assert len(did) == 1, logs
    assert "installing postgresql" in logs[0] and machines[0].inside("readlink", "/usr/bin/psql") == "/usr/lib/stand-ins/psql"
    columns = world.postgres(
        "SELECT column_name, data_type, character_maximum_length, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_name = 'unicorns' ORDER BY ordinal_position", "unicorndb",
    )
    assert columns == "unicornid|character varying|256|YES|\nunicornlocation|character varying|256|YES|", columns
    assert world.postgres("SELECT COUNT(*) FROM unicorns WHERE unicornid = 'seed'", "unicorndb") == "1"
    for text in (
        "DROP TABLE unicorns", "ALTER TABLE unicorns ADD x int", "CREATE TABLE t (a int)", "CREATE ROLE x", "CREATE DATABASE x",
        "SELECT * FROM pg_authid", "TRUNCATE unicorns", "DELETE FROM gameday_applied", "COPY unicorns FROM '/etc/passwd'",
    ):
        done = as_app("unicorndb", text)
        assert done.returncode and ("permission denied" in done.stderr or "must be " in done.stderr), (text, done)
    for text in (
        "INSERT INTO unicorns VALUES ('a', 'b')", "UPDATE unicorns SET unicornlocation = 'c' WHERE unicornid = 'a'",
        "DELETE FROM unicorns WHERE unicornid = 'a'", "INSERT INTO more (name) VALUES ('x')", "DELETE FROM more WHERE name = 'x'",
    ):
        assert as_app("unicorndb", text).returncode == 0, (text, as_app("unicorndb", text))
    say("PostgreSQL: one of two machines set it up; the service's user may write rows, and change no table, role or note")

    before = postgres_state(world)
    one, two = machines
    one.inside("/opt/gameday/boot", "stage", "database")
    assert postgres_state(world) == before
    # Where the service's own login is enough, the master password is not read.
    assert one.inside("bash", "-c", "ls -A /run/gameday/secrets") == ".app.cnf\napp_password"
    assert one.inside("stat", "-c", "%a %U", "/run/gameday/secrets/.app.cnf") == "600 root"
    # The way it gets there when `up` renews the password: the next boot has the new one and gives it to the user.
    two.write("srv/parameters/gameday/demo/app", "renewed-Pw:\\'1")
    two.inside("rm", "/run/gameday/secrets/app_password")
    for stage in ("secrets", "database"):
        two.inside("/opt/gameday/boot", "stage", stage)
    refused = as_app("unicorndb", "SELECT 1")
    assert "password authentication failed" in refused.stderr, refused
    one.inside("/opt/gameday/boot", "stage", "database")
    assert as_app("unicorndb", "SELECT 1").returncode == 0 and postgres_state(world) == before
    say("PostgreSQL: a second boot changes nothing; a renewed password is given to the service's user")

    new = Machine(world, "postgres-new", "postgres-new", family="ubuntu").boot()
    new.serving(90)
    assert world.postgres("SELECT COUNT(*), MAX(unicornid) FROM unicorns", "newdb") == "2|seed"
    assert "refuse: deleted 1 rows of unicorns" in new.inside("cat", "/var/log/gameday-boot.log")
    postgres_refuses(world, one)
    for machine in [*machines, new]:
        no_secret(machine)
        machine.stop()
    forward = Forward(5433, 5432)
    down, wrong = (Machine(world, name, name).boot() for name in ("postgres-down", "postgres-password"))
    for machine, cause in ((down, "PostgreSQL is not reachable at 10.213.0.1:5433: connect: Connection refused"), (wrong, "wrong password: 10.213.0.1 refuses the master user")):
        report = machine.beacon("failed database", 120, lambda r: r.get("status") == "failed" and r.get("stage") == "database")
        assert cause in report["error"], report
        say(f"{machine.name}: {json.dumps(report)}")
    forward.open()
    down.serving(60)
    for machine in (down, wrong):
        no_secret(machine)
        machine.stop()


def failures(world):
    """Each ends in a beacon that names stage and cause within its limit; what can recover, recovers."""
    database, redis = Forward(3307, 3306), Forward(6380, 6379)
    small = ["--tmpfs=/opt:size=2M,mode=0755"]
    cases = {
        "missing": ("fetch", "404", {}),
        "checksum": ("fetch", "wrong SHA-256", {}),
        "architecture": ("fetch", "arm64", {}),
        "page": ("fetch", "looks like a web page", {}),
        "crlf": ("fetch", "CRLF", {}),
        "database-down": ("database", "MySQL is not reachable at 10.213.0.1:3307: connect: Connection refused", {}),
        "wrong-password": ("database", "wrong password", {}),
        "redis-down": ("cache", "Redis is not reachable at 10.213.0.1:6380: connect: Connection refused", {}),
        "no-profile": ("secrets", "no instance profile", {"profile": False}),
        "disk-full": ("fetch", "no space left", {"options": small}),
        "service-ends": ("service", "nope.ini: No such file", {}),
        "no-package": ("packages", "could not install no-such-package: Error: Unable to find a match: no-such-package", {}),
        "copies-end": ("service", "copy 1: the service does not answer on port 20001: ", {}),
        "background": ("service", "the start command ended by itself with code 0: it must stay in the foreground", {}),
    }
    def seen(names):
        for name in names:
            stage, cause, _ = cases[name]
            report = machines[name].beacon(f"failed {stage}: {cause}", 120, lambda r, s=stage: r.get("status") == "failed" and r.get("stage") == s)
            assert cause in report["error"], (name, report)
            say(f"{name}: {json.dumps(report)}")

    # Seven at a time: Linux gives a user 128 inotify instances, and a systemd takes nine.
    machines = {}
    waiting = ("database-down", "wrong-password", "redis-down", "service-ends", "copies-end", "background")
    quick = [name for name in cases if name not in waiting]
    for name in quick:
        machines[name] = Machine(world, name, name, **cases[name][2]).boot()
    seen(quick)
    assert machines["no-package"].inside("node", "--version").startswith("v"), "the packages that there are"
    for name in quick:
        no_secret(machines[name])
        machines.pop(name).stop()
    for name in waiting:
        machines[name] = Machine(world, name, name).boot()
    no_efs = Machine(world, "no-efs", "no-efs").boot()
    literal = Machine(world, "literal", "literal", profile=False).boot()
    archive = Machine(world, "archive", "archive").boot()
    seen(waiting)
    for name in ("wrong-password", "service-ends", "copies-end", "background"):
        no_secret(machines[name])
        machines.pop(name).stop()
    mac = Machine(world, "mac", "mac").boot()
    apt = Machine(world, "apt", "apt", family="ubuntu").boot()
    for machine in (no_efs, literal, archive, mac, apt):
        machine.serving(60)
    say("without shared files, without a profile (password given), from an archive: all three serve")
    as_written(world, mac)
    from_apt(apt)
    warned = [r for _, _, r in no_efs.seen if "files" in r.get("warnings", {})]
    assert warned and "not mounted" in warned[0]["warnings"]["files"], no_efs.story()
    say(f"no-efs: {json.dumps(warned[0])}")
    assert calc(no_efs, "alone")[0] == "computed"
    world_mount = "10.213.0.250"
    subprocess.run(["ip", "address", "add", f"{world_mount}/24", "dev", "gd0"], check=True)
    world.mount_target(world_mount)

    database.open()
    redis.open()
    for name in ("database-down", "redis-down"):
        at = time.monotonic()
        machines[name].serving(60)
        say(f"{name}: up again, and it recovers by itself after {time.monotonic() - at:.1f} s")
    until("the shared files are mounted later", 60, lambda: no_efs.inside("mountpoint", "/mnt/efs", check=False).endswith("is a mountpoint"))
    assert get(no_efs.address)[0] == 200
    say("no-efs: mounted when the mount target came, without a restart")
    for machine in [*machines.values(), no_efs, literal, archive, mac, apt]:
        no_secret(machine)
        machine.stop()


def node(world):
    """A Node application: its archive, and the package that runs it, in one transaction with the others."""
    machine = Machine(world, "node", "node").boot()
    machine.serving(90)
    assert get(machine.address)[2].startswith("node "), get(machine.address)
    transactions = [line for line in machine.inside("cat", "/var/log/dnf-stand-in.log").splitlines() if " install " in line]
    assert transactions == ["dnf -y -q install mariadb1011 amazon-efs-utils nodejs"], transactions
    machine.inside("/opt/gameday/boot", "stage", "packages")
    assert machine.inside("grep", "-c", " install ", "/var/log/dnf-stand-in.log") == "1", "what is there is not installed again"
    say("node: one transaction, and it serves")
    no_secret(machine)
    machine.stop()


def bake(world):
    """A machine that becomes an image, without any right to a secret, and one that is launched from it."""
    baking = Machine(world, "bake", "bake", profile=False, ends=True).boot()
    at = time.monotonic()
    until(lambda: f"it is off: {baking.story()}", 150, lambda: baking.process and baking.process.poll() == 0)
    say(f"bake: installed and off after {time.monotonic() - at:.1f} s")
    assert baking.told <= Machine.PUBLIC
    with open(baking.console, errors="replace") as f:
        assert "gameday: baked" in f.read(), "the console says that it is complete"
    image = baking.image()
    left = sh("find", image, "-type", "f", "-printf", "%P\n").splitlines()
    for part in ("opt/gameday/secrets", "opt/gameday/etc/", "opt/gameday/env", "opt/gameday/boot", "etc/systemd/system/gameday", "var/lib/cloud/", "ssh_host", "authorized_keys", "var/log/journal/"):
        assert not [path for path in left if part in path], (part, left)
    assert os.path.getsize(f"{image}/etc/machine-id") == 0
    for path in left:
        with open(f"{image}/{path}", "rb") as f:
            content = f.read()
        assert MASTER.encode() not in content and APP.encode() not in content, path
    installed = [line for line in open(f"{image}/var/log/dnf-stand-in.log") if " install " in line]
    assert len(installed) == 2, installed  # the packages, the agent
    binary = os.stat(f"{image}/opt/gameday/release/server").st_mtime_ns

    fresh = Machine(world, "fresh", "baked").boot()
    fresh.serving(120)
    before = fresh.seen[-1][0]
    fresh.stop()
    baked = Machine(world, "baked", "baked", image=image).boot()
    baked.serving(120)
    say(f"bake: healthy {before:.1f} s after its launch without the image, {baked.seen[-1][0]:.1f} s with it")
    until("the agent runs", 30, lambda: "fetch-config" in baked.inside("cat", "/var/log/agent-stand-in.log", check=False))
    assert [line for line in open(f"{baked.root}/var/log/dnf-stand-in.log") if " install " in line] == installed, "nothing is installed again"
    assert os.stat(f"{baked.root}/opt/gameday/release/server").st_mtime_ns == binary, "nothing is downloaded again"
    assert "installing" not in baked.inside("cat", "/var/log/gameday-boot.log")
    assert len(baked.inside("cat", "/etc/machine-id")) == 32
    assert calc(baked, "baked")[0] == "computed"
    no_secret(baked)
    baked.stop()


def as_written(world, mac):
    """An archive that a Mac packed, a start command of several parts, a configuration file that is no template."""
    pid = mac.inside("systemctl", "show", "-p", "MainPID", "--value", "gameday-billing")
    assert mac.inside("cat", f"/proc/{pid}/comm") == "server", "the last program takes the place of the shell"
    assert "HELLO=hello you" in mac.inside("cat", f"/proc/{pid}/environ").split("\0")
    assert "HOME=/opt/gameday/app" in mac.inside("cat", f"/proc/{pid}/environ").split("\0")
    assert mac.inside("readlink", f"/proc/{pid}/cwd") == "/opt/gameday/app/bin"
    assert mac.inside("find", "/opt/gameday/app", "-name", "._*", "-o", "-name", "__MACOSX", "-o", "-name", ".DS_Store") == ""
    with open(f"{world.inputs}/raw.ini", "rb") as given, open(f"{mac.root}/opt/gameday/app/raw.ini", "rb") as there:
        assert given.read() == there.read()
    mac.inside("/opt/gameday/boot", "stage", "fetch")
    # Unpacked anew over links of the service's.
    mac.inside("chmod", "711", "/root")
    treasure = Treasure(mac)
    as_service(mac, "ln -s /root/treasure/folder .new; ln -s /root/treasure/shadow .source; ln -s /root/treasure/shadow .archive.new; ln -sf /root/treasure/shadow vars; rm -rf bin; ln -s /root/treasure/folder bin")
    mac.inside("bash", "-c", "rm -f /opt/gameday/release/.source; /opt/gameday/boot stage fetch", check=False)
    treasure.untouched("an archive over links")
    as_service(mac, "rm -f bin")
    mac.inside("/opt/gameday/boot", "stage", "fetch")
    treasure.untouched("an archive over links")
    assert mac.inside("stat", "-c", "%U", "/opt/gameday/app/bin/server", "/opt/gameday/release/.source") == "gameday\nroot"
    say("mac: one folder taken off, bash ran the command and gave its place to the server, the file is the same to the byte")


def from_apt(machine):
    """No dnf, no AWS CLI, no helper for EFS: apt installs what there is, NFS mounts the rest."""
    log = machine.inside("cat", "/var/log/gameday-boot.log")
    for package in ("mariadb-client", "nfs-common", "awscli"):
        assert f"installing {package}\n" in log, log
        assert machine.inside("dpkg-query", "-W", "-f", "${Version}", package) == "9:99"
    assert "without TLS" in log and machine.inside("id", "-u", "gameday") == "1818", log
    assert machine.inside("stat", "-c", "%u %a", "/mnt/efs") == "1818 755"
    assert machine.inside("mountpoint", "/mnt/efs").endswith("is a mountpoint")
    assert ":/billing /mnt/efs nfs4 " in machine.inside("cat", "/etc/fstab")
    assert calc(machine, "apt")[0] == "computed"
    say("apt: packages from an archive by apt itself, the folder of the access point by NFS: it serves")


def no_secret(machine):
    """Neither beacon nor log nor console has a password in it; from outside the beacon tells the stage only."""
    assert machine.told <= Machine.PUBLIC, (machine.name, machine.told)
    texts = [json.dumps([r for _, _, r in machine.seen])]
    for path in (machine.console, f"{machine.root}/var/log/gameday-boot.log", f"{machine.root}/var/log/cloud-init-output.log"):
        with open(path, errors="replace") as f:
            texts.append(f.read())
    for text in texts:
        assert MASTER not in text and APP not in text, (machine.name, "a password got out")


def main():
    threading.Thread(target=watch_process_list, daemon=True).start()
    only = os.environ.get("GAMEDAY_MACHINES", "").split(",") if os.environ.get("GAMEDAY_MACHINES") else ["two", "ten", "postgres", "memcached", "services", "failures", "node", "bake", "copies", "containers"]
    world = World(sys.argv[1])
    say("database, Redis, web server and mount targets are up")
    if "two" in only:
        one, two = two_machines(world)
        shared_answers(world, one, two)
        queue(one)
        table_and_user(world)
        again(world, one)
        logs = "".join(machine.inside("cat", "/var/log/gameday-boot.log") for machine in (one, two))
        assert "refuse: deleted 1 rows of unicorns" in logs and "refuse: deleted 1 rows of more" in logs, logs
        deleted = sum(int(n) for n in re.findall(r"refuse: deleted (\d+) rows", logs))
        assert refused_rows(two) == deleted, (deleted, refused_rows(two))
        mysql_refuses(world, two)
        no_metadata(one)
        hostile_links(world, one)
        no_metadata(one)
        kill_and_reboot(world, one)
        no_metadata(one)
        redis_goes_away(world, one, two)
        assert "the service answers on port 80" in open(one.console, errors="replace").read(), "the serial console has the log, too"
        for machine in (one, two):
            no_secret(machine)
            machine.stop()
    if "ten" in only:
        ten_at_once(world)
    if "postgres" in only:
        postgres(world)
    if "memcached" in only:
        memcached(world)
    if "services" in only:
        for machine in two_services(world):
            no_secret(machine)
            machine.stop()
    if "failures" in only:
        failures(world)
    if "node" in only:
        node(world)
    if "bake" in only:
        bake(world)
    for name, part in (("copies", copies), ("containers", containers)):
        if name in only:
            for machine in part(world):
                no_secret(machine)
                machine.stop()
    if "failures" in only or "silent" in only:
        quiet_end(world)
    assert not leaks, ("a password in the list of processes", leaks)
    say("no password in any list of processes, log, console or beacon")


try:
    main()
    code = 0
except BaseException:
    traceback.print_exc()
    # For whoever has to find out: what every machine and server said.
    logs = f"{sys.argv[1]}/logs"
    os.makedirs(logs, exist_ok=True)
    for path in glob.glob(f"{SCRATCH}/*.log") + glob.glob(f"{SCRATCH}/machine/*/*.log") + glob.glob(f"{SCRATCH}/machine/*/root/var/log/*.log"):
        shutil.copy(path, f"{logs}/{path.removeprefix(SCRATCH + '/').replace('/', '-')}")
    print(f"logs are in {logs}", file=sys.stderr)
    code = 1
sys.stdout.flush()
# Everything else is a child of this process namespace's first process: it ends with it.
os._exit(code)
