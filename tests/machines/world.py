"""The world of the test: machines that really boot, and what they talk to.

Runs inside namespaces of its own (network, mounts, processes), see tests/world/boot.rs: whatever happens to this process, the
kernel takes everything down with it. Addresses are on a bridge that nothing else can reach.
"""
import glob
import hashlib
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = "/var/cache/gameday-test/base"
MYSQL = "/var/cache/gameday-test/mysql-8.4"
DATABASE = os.environ.get("GAMEDAY_DATABASE", "mariadb")
SCRATCH = "/run/gameday-test"
HOST = "10.213.0.1"
MASTER, APP = "m4ster-Pw'\"x", "app-Pw\\'\"77"  # what quoting has to survive
EXAMPLE_SECRETS = {"/gameday/demo/master": MASTER, "/gameday/demo/app": APP, "/gameday/demo/wrong": "not-the-Pw"}
started = time.monotonic()


def say(*words):
    print(f"{time.monotonic() - started:6.1f}s", *words, flush=True)


def sh(*command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, **options).stdout


def until(what, seconds, probe, every=0.2):
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


def get(address, path="/healthcheck", port=80, timeout=10, headers=()):
    """Status (0: nobody answers), headers, body."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, {}, ""
    finally:
        connection.close()


class Forward:
    """A port that is closed until somebody opens it: a server that is down and comes up."""

    def __init__(self, port, to):
        self.port, self.to = port, to

    def open(self):
        listener = socket.create_server((HOST, self.port))

        def accept():
            while True:
                one, _ = listener.accept()
                two = socket.create_connection((HOST, self.to))
                for a, b in ((one, two), (two, one)):
                    threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class World:
    """The database, Redis, the binary's web server, mount targets, the balancer."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.children = []
        sh("mount", "--make-rprivate", "/")
        os.makedirs(SCRATCH, exist_ok=True)
        sh("mount", "-t", "tmpfs", "-o", "size=3G,mode=0755", "tmpfs", SCRATCH)
        self.share = f"{SCRATCH}/share"
        os.makedirs(self.share)
        os.chmod(self.share, 0o1777)
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", "gd0", "type", "bridge")
        for address in (f"{HOST}/24", "10.213.0.21/24", "10.213.0.22/24", "169.254.169.254/32"):
            sh("ip", "address", "add", address, "dev", "gd0")
        sh("ip", "link", "set", "gd0", "up")
        self.facts = {}
        self.stand_ins()
        self.start_web()
        self.start_imds()
        for address in ("10.213.0.21", "10.213.0.22"):
            self.mount_target(address)
        self.start_database()
        self.start_postgres()
        self.start_redis()

    def start_redis(self):
        self.start("redis", "redis-server", "--bind", HOST, "--protected-mode", "no", "--save", "", "--dir", SCRATCH)
        until("redis", 10, lambda: self.redis("PING") == "PONG")

    def start_memcached(self, port):
        """One node. It is told apart from others by its port, as AWS's nodes are by their names."""
        node = self.start(f"memcached-{port}", "memcached", "-l", HOST, "-p", str(port), "-m", "16", "-u", "nobody")
        until(f"memcached on {port}", 10, lambda: self.memcached(port, "version").startswith("VERSION"))
        return node

    def memcached(self, port, command):
        try:
            with socket.create_connection((HOST, port), timeout=2) as connection:
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(65536).decode()
        except OSError:
            return ""

    def start(self, name, *command, **options):
        log = open(f"{SCRATCH}/{name}.log", "ab")
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        self.children.append(child)
        return child

    def stand_ins(self):
        """A layer over the Debian root with what only Amazon has."""
        layer = f"{SCRATCH}/layer"
        for folder in ("usr/lib/stand-ins", "etc/systemd/system/sysinit.target.wants", "etc/cloud/cloud.cfg.d", "srv/efs"):
            os.makedirs(f"{layer}/{folder}")
        for name in ("aws", "mount.efs", "runc"):
            shutil.copy(f"{HERE}/stand-ins/{name}", f"{layer}/usr/lib/stand-ins/{name}")
        # Amazon Linux has dnf and these from the beginning; Ubuntu has apt, and gets all from its archive.
        amazon = f"{SCRATCH}/amazon/usr"
        os.makedirs(f"{amazon}/bin")
        os.makedirs(f"{amazon}/sbin")
        for name in ("dnf", "rpm"):
            shutil.copy(f"{HERE}/stand-ins/{name}", f"{amazon}/bin/{name}")
        shutil.copy(f"{HERE}/stand-ins/aws", f"{amazon}/bin/aws")
        shutil.copy(f"{HERE}/stand-ins/mount.efs", f"{amazon}/sbin/mount.nfs4")
        self.archive_of_packages()
        with open(f"{layer}/etc/cloud/cloud.cfg.d/99-test.cfg", "w") as f:
            f.write("datasource_list: [NoCloud, None]\nnetwork: {config: disabled}\n")
        with open(f"{layer}/etc/systemd/system/amazon.service", "w") as f:
            f.write(
                "[Unit]\nDescription=the network of EC2\nDefaultDependencies=no\n"
                "Before=network-pre.target network-online.target cloud-init-local.service\n"
                "[Service]\nEnvironmentFile=/etc/address\nType=oneshot\nRemainAfterExit=yes\n"
                "ExecStart=sh -c 'ip link set lo up; until ip link set host0 up; do sleep 0.1; done; "
                "ip address replace $ADDRESS/24 dev host0; until ip route replace 169.254.169.254 dev host0; do sleep 0.1; done'\n"
            )
        os.symlink("../amazon.service", f"{layer}/etc/systemd/system/sysinit.target.wants/amazon.service")

    def archive_of_packages(self):
        """An archive for apt itself: packages of Ubuntu's names that put the stand-ins in their places."""
        folder, index = f"{self.inputs}/web/debs", ""
        os.makedirs(folder, exist_ok=True)
        for name, links in (
            ("mariadb-client", {"mysql": "/usr/bin/mysql", "mariadb": "/usr/bin/mariadb"}),
            ("postgresql-client", {"psql": "/usr/bin/psql"}),
            ("nfs-common", {"mount.efs": "/usr/sbin/mount.nfs4"}),
            ("awscli", {"aws": "/usr/bin/aws"}),
        ):
            fields = f"Package: {name}\nVersion: 9:99\nArchitecture: all\nMaintainer: test\nDescription: a stand-in\n"
            control = f"{SCRATCH}/deb/{name}/DEBIAN"
            os.makedirs(control)
            with open(f"{control}/control", "w") as f:
                f.write(fields)
            with open(f"{control}/postinst", "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as f:
                f.write("#!/bin/sh\n" + "".join(f"ln -sf /usr/lib/stand-ins/{what} {to}\n" for what, to in links.items()))
            sh("dpkg-deb", "--build", "--root-owner-group", f"{SCRATCH}/deb/{name}", f"{folder}/{name}.deb")
            with open(f"{folder}/{name}.deb", "rb") as f:
                content = f.read()
            digest = hashlib.sha256(content).hexdigest()
            index += f"{fields}Filename: ./{name}.deb\nSize: {len(content)}\nSHA256: {digest}\n\n"
        with open(f"{folder}/Packages", "w") as f:
            f.write(index)
        apt = f"{SCRATCH}/ubuntu/etc/apt"
        os.makedirs(f"{apt}/apt.conf.d")
        with open(f"{apt}/sources.list", "w") as f:
            f.write(f"deb [trusted=yes] http://{HOST}:8000/debs ./\n")
        with open(f"{apt}/apt.conf.d/zz-direct", "w") as f:
            f.write('Acquire::http::Proxy "DIRECT";\nAcquire::https::Proxy "DIRECT";\n')

    def start_web(self):
        web = f"{self.inputs}/web"

        class Web(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *a):
                super().__init__(*a, directory=web)

            def guess_type(self, path):
                # Docker asks for the type of what it pulls.
                kind = "application/vnd.docker.distribution.manifest.v2+json"
                return kind if "/manifests/" in path else super().guess_type(path)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer((HOST, 8000), Web)
        server.handle_error = lambda *_: None  # a machine with a full disk hangs up
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def start_imds(self):
        """Instance metadata, version 2: who asks is known by the address; no token, no answer."""
        facts = self.facts

        class Imds(http.server.BaseHTTPRequestHandler):
            def say(self, code, text=""):
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_PUT(self):
                lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
                ok = self.path == "/latest/api/token" and lifetime
                self.say(200, self.client_address[0]) if ok else self.say(400)

            def do_GET(self):
                if self.headers.get("X-aws-ec2-metadata-token") != self.client_address[0]:
                    return self.say(401)
                value = facts.get(self.client_address[0], {}).get(self.path.removeprefix("/latest/meta-data/"))
                self.say(200, value) if value is not None else self.say(404)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("169.254.169.254", 80), Imds)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def mount_target(self, address):
        class Silent(socketserver.BaseRequestHandler):
            def handle(self):
                pass

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        server = socketserver.ThreadingTCPServer((address, 2049), Silent)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def start_database(self):
        data = f"{SCRATCH}/database"
        os.makedirs(data)
        if DATABASE == "mysql-8.4":
            # The parameter group of the stack file's defaults. The master user has the login of MySQL's own default.
            options = ["--authentication-policy=*:mysql_native_password", "--mysql-native-password=ON", "--require-secure-transport=OFF", "--secure-file-priv="]
            way = "WITH caching_sha2_password "
            os.makedirs(f"{MYSQL}/data", exist_ok=True)
            sh("mount", "--bind", data, f"{MYSQL}/data")
            server, inside = ["chroot", MYSQL, "mysqld", "--no-defaults", "--user=root"], "/data"
            sh(*server, "--initialize-insecure", f"--datadir={inside}", *options)
        else:
            options, way, server, inside = [], "", ["mariadbd", "--no-defaults", "--user=mysql"], data
            sh("mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal")
        self.database = self.start(
            "database", *server, *options, f"--datadir={inside}", f"--socket={inside}/sock", f"--bind-address={HOST}",
            "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", f"--pid-file={inside}/pid",
        )
        until(DATABASE, 60, lambda: subprocess.run(["mariadb-admin", "--no-defaults", f"-S{data}/sock", "-uroot", "ping"], capture_output=True).returncode == 0)
        quoted = MASTER.replace("\\", "\\\\").replace("'", "''")
        self.sql(f"CREATE USER gdadmin@'%' IDENTIFIED {way}BY '{quoted}'; GRANT ALL ON *.* TO gdadmin@'%' WITH GRANT OPTION")
        say(f"the database is {self.sql('SELECT VERSION()')}")

    def sql(self, text):
        return sh("mariadb", "--no-defaults", f"-S{SCRATCH}/database/sock", "-uroot", "-N", "-B", input=text).strip()

    def start_postgres(self):
        """PostgreSQL as RDS hands it over: a master user with few of a superuser's rights, and the named database."""
        data, bin_ = f"{SCRATCH}/postgres", max(glob.glob("/usr/lib/postgresql/*/bin"))
        os.makedirs(data)
        shutil.chown(data, "postgres", "postgres")
        as_postgres = ["runuser", "-u", "postgres", "--"]
        sh(*as_postgres, f"{bin_}/initdb", f"--pgdata={data}", "--auth=trust", "--encoding=UTF8", "--no-sync")
        with open(f"{data}/pg_hba.conf", "w") as f:
            f.write(f"local all all trust\nhost all all {HOST}/24 scram-sha-256\n")
        self.start(
            "postgres", *as_postgres, f"{bin_}/postgres", "-D", data, "-k", data, "-c", f"listen_addresses={HOST}",
            "-c", "fsync=off", "-c", "log_connections=on",
        )
        until("postgres", 60, lambda: subprocess.run(["psql", "-h", data, "-U", "postgres", "-c", "SELECT 1"], capture_output=True).returncode == 0)
        quoted = MASTER.replace("'", "''")
        self.postgres(f"CREATE ROLE gdadmin LOGIN CREATEROLE CREATEDB PASSWORD '{quoted}'")
        self.postgres("CREATE DATABASE unicorndb OWNER gdadmin")
        say(f"the other database is {self.postgres('SHOW server_version')}")

    def postgres(self, text, database="postgres"):
        return sh("psql", "-h", f"{SCRATCH}/postgres", "-U", "postgres", "-d", database, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", input=text).strip()

    def redis(self, *words):
        out = subprocess.run(["redis-cli", "-h", HOST, *words], capture_output=True, text=True)
        return out.stdout.strip()

    def balance(self, machines):
        """nginx as the ALB: round robin, and what the target says is what the client gets."""
        config = f"{SCRATCH}/nginx.conf"
        targets = "".join(f"server {m.address}:80 max_fails=0;" for m in machines)
        with open(config, "w") as f:
            f.write(
                f"daemon off; pid {SCRATCH}/nginx.pid; error_log {SCRATCH}/nginx.err; events {{}}\n"
                f"http {{ access_log off; upstream app {{ {targets} }}\n"
                f"server {{ listen {HOST}:80; location / {{ proxy_pass http://app; proxy_next_upstream off; proxy_connect_timeout 2s;"
                " add_header X-Target $upstream_addr always; } } }\n"
            )
        self.start("nginx", "nginx", "-c", config)
        until("nginx", 10, lambda: get(HOST)[0])


class Machine:
    count = 0
    PUBLIC = {"instance", "stage", "step", "of", "status", "seconds"}

    def __init__(self, world, name, scenario, profile=True, zone=None, options=(), family="amazon", image=None, ends=False, port=80, own_groups=False):
        Machine.count += 1
        self.port = port
        self.world, self.name, self.number, self.options = world, name, Machine.count, list(options)
        self.address = f"10.213.0.{100 + self.number}"
        self.zone = zone or "us-east-1" + "ab"[self.number % 2]
        self.instance = f"i-{self.number:017x}"
        self.folder = f"{SCRATCH}/machine/{self.number}"
        self.root, self.console = f"{self.folder}/root", f"{self.folder}/console.log"
        self.seen, self.stopping, self.process = [], False, None
        self.ends = ends  # it switches itself off
        # Control groups of the second version are its own, to make more of them; the first ones it can only read.
        self.environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"} if own_groups else None
        self.told = set()  # what the beacon told who asked from outside
        for sub in ("root", "upper", "work"):
            os.makedirs(f"{self.folder}/{sub}")
        sh("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={image + ':' if image else ''}{SCRATCH}/{family}:{SCRATCH}/layer:{BASE},upperdir={self.folder}/upper,workdir={self.folder}/work", self.root)
        self.write("etc/address", f"ADDRESS={self.address}\n")
        self.write("etc/machine-id", "")
        facts = {"instance-id": self.instance, "placement/availability-zone": self.zone}
        if profile:
            facts["iam/security-credentials/"] = "gameday-demo"
            for parameter, value in EXAMPLE_SECRETS.items():
                self.write(f"srv/parameters{parameter}", value)
        world.facts[self.address] = facts
        self.write("var/lib/cloud/seed/nocloud/meta-data", f"instance-id: {self.instance}\nlocal-hostname: {name}\n")
        # The rendered user data, byte for byte as EC2 would hand it over.
        seed = f"{self.root}/var/lib/cloud/seed/nocloud/user-data"
        shutil.copy(f"{world.inputs}/user-data/{scenario}", seed)

    def write(self, path, text):
        path = f"{self.root}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def boot(self):
        self.booted = time.monotonic()
        threading.Thread(target=self.run, daemon=True).start()
        threading.Thread(target=self.watch, daemon=True).start()
        return self

    def run(self):
        # A control group of its own: systemd instances that share one remove each other's units.
        own_group = (
            "for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do [ -e $root/cgroup.procs ] || continue;"
            f" mkdir -p $root/gameday-test-{self.number} && echo $$ >$root/gameday-test-{self.number}/cgroup.procs || exit 99;"
            ' done; exec "$@"'
        )
        command = [
            "bash", "-c", own_group, "bash", "systemd-nspawn", f"--directory={self.root}", "--boot", f"--machine=gd-{self.number}", "--network-bridge=gd0",
            "--register=no", "--keep-unit", "--console=read-only", f"--bind={self.world.share}:/srv/efs", *self.options,
        ]
        while not self.stopping:
            with open(self.console, "ab") as log:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
                # 133: the machine asked for a reboot.
                code = self.process.wait()
                if code == 0 and self.ends:
                    self.stopping = True
                if code != 133 and not self.stopping:
                    # Not what is tested here, and not to be hidden either.
                    say(f"{self.name}: systemd-nspawn ended with {code}: {open(self.console, errors='replace').read()[-600:]}")
                    time.sleep(1)

    def details(self):
        """What the beacon says on the machine itself."""
        try:
            return json.loads(self.inside("curl", "-s", "-m", "2", f"http://127.0.0.1:{self.port}/healthcheck", check=False))
        except (OSError, ValueError, IndexError):
            return {}

    def watch(self):
        """What the balancer would see, every change of it, and what the machine says of it to itself."""
        while not self.stopping:
            status, _, body = get(self.address, port=self.port, timeout=4)
            report = {}
            if status == 503:
                try:
                    report = json.loads(body)
                    self.told |= report.keys()
                    details = self.details()
                    report = details if details.get("stage") == report["stage"] else report
                except ValueError:
                    report = {"body": body}
            key = (status, report.get("stage"), report.get("status"), report.get("error"), tuple(report.get("warnings", {})))
            if not self.seen or self.seen[-1][1] != key:
                self.seen.append((time.monotonic() - self.booted, key, report))
            time.sleep(0.1)

    def beacon(self, what, seconds, test):
        """Waits for a report of the beacon."""
        return until(lambda: f"{self.name}: {what}; seen: {self.story()}", seconds, lambda: next((r for _, k, r in self.seen if k[0] == 503 and test(r)), None))

    def story(self):
        return [(round(at, 1), *key) for at, key, _ in self.seen]

    def serving(self, seconds):
        return until(lambda: f"{self.name} serves; seen: {self.story()}", seconds, lambda: self.seen and self.seen[-1][1][0] == 200)

    def inside(self, *command, check=True, text=None):
        leader = int(open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()[0])
        done = subprocess.run(
            ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "--", *command], text=True, capture_output=True, input=text
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {command}: {done.stdout} {done.stderr}")
        return done.stdout.strip()

    def image(self):
        """What the machine has written, for machines that are launched from it."""
        image = f"{SCRATCH}/image-{self.number}"
        sh("umount", self.root)
        sh("cp", "-a", f"{self.folder}/upper", image)
        return image

    def stop(self):
        self.stopping = True
        if self.process and self.process.poll() is None:
            # The machine's first process: all its others go with it, and systemd-nspawn ends. Not the other way round.
            for leader in open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split():
                os.kill(int(leader), signal.SIGKILL)
            self.process.wait()
        subprocess.run(["umount", "-l", self.root])
        shutil.rmtree(self.folder, ignore_errors=True)
