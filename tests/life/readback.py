"""Every property of every object of a stack, read back and compared with what the stack file says and with what AWS
needs. Written from the stack file's documentation, not from the code that is under test."""

import base64
import datetime
import fnmatch
import gzip
import json

import tomllib
from names import log_path, name_of, own

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
# What the stack file's comments promise for each key that is not given.
DEFAULTS = {
    "zones": ["us-east-1a", "us-east-1b"], "tags": {}, "names": {}, "region": "us-east-1", "tag_prefix": "gameday:",
    "network": {
        "cidr": "10.0.0.0/16",
        "public": ["10.0.0.0/24", "10.0.1.0/24"],
        "private": ["10.0.128.0/24", "10.0.129.0/24"],
    },
    "access": {"http": ["0.0.0.0/0"], "ssh": [], "key_pair": None},
    "balancer": {"scheme": "public", "block": [], "tls": None},
    "dns": None,
    "database": {
        "mode": "create", "engine": "mysql", "class": "db.t3.micro", "storage_gb": 20, "encrypted": True, "multi_az": False, "backup_days": 0,
        "deletion_protection": False, "database": "unicorndb", "user": "gdapp", "master_user": "gdadmin",
        "parameters": {}, "refuse": [],
    },
    "cache": {"mode": "create", "engine": "redis", "class": "cache.t3.micro", "encrypted": True, "nodes": 1},
    "files": {"mode": "create", "throughput": "elastic", "encrypted": True, "path": "/mnt/efs"},
    "cdn": {
        "mode": "off", "ttl_seconds": 60, "query": ["*"], "headers": [], "price_class": "100", "endpoint": True,
        "close_balancer": True,
    },
    "iam": {"read_objects": [], "kms_keys": [], "ssm": False, "policies": [], "permissions_boundary": None, "path": "/"},
    "monitoring": {"notify": [], "log_days": 3, "slow_seconds": 4.0, "dashboard": True},
}
SERVICE = {
    "port": 80, "health_path": "/healthcheck", "health_codes": "200-399", "health_interval": 10, "routes": [],
    "instance_type": "t3.micro", "min": 2, "desired": 2, "max": 4, "grace_seconds": 240, "warmup_seconds": 60,
    "env": {}, "scale": {"requests_per_target": 45.0}, "spot": None, "image": None, "hosts": [], "packages": [],
    "command": None, "needs": None, "copies": 1,
}
STORES = ("database", "cache", "files")
CACHE = {
    "redis": ("7.1", "default.redis7", 6379),
    "valkey": ("8.2", "default.valkey8", 6379),
    "memcached": ("1.6.22", "default.memcached1.6", 11211),
}
# engine: (port, version, family, parameters)
DATABASE = {
    "mysql": (3306, "8.4", "mysql8.4", {"authentication_policy": "*:mysql_native_password", "require_secure_transport": "0"}),
    "postgres": (5432, "17", "postgres17", {"rds.force_ssl": "0"}),
}
# metric: (statistic, threshold, comparison, datapoints, periods, missing data)
ALARMS = {
    "elb-5xx": ("HTTPCode_ELB_5XX_Count", "Sum", 1, ">=", 1, 1, "notBreaching"),
    "target-5xx": ("HTTPCode_Target_5XX_Count", "Sum", 5, ">=", 2, 3, "notBreaching"),
    "rejected": ("RejectedConnectionCount", "Sum", 1, ">=", 1, 1, "notBreaching"),
    "slow": ("TargetResponseTime", "p90", None, ">", 2, 3, "notBreaching"),
    "unhealthy-hosts": ("UnHealthyHostCount", "Maximum", 1, ">=", 2, 2, "notBreaching"),
    "healthy-hosts": ("HealthyHostCount", "Minimum", 1, "<", 1, 1, "breaching"),
    "database-cpu": ("CPUUtilization", "Average", 80, ">", 3, 3, "missing"),
    "database-connections": ("DatabaseConnections", "Maximum", 50, ">", 2, 3, "missing"),
    "database-storage": ("FreeStorageSpace", "Minimum", 2 * 1024**3, "<", 1, 1, "missing"),
    "cache-evictions": ("Evictions", "Sum", 1, ">=", 1, 1, "notBreaching"),
    "cache-cpu": ("EngineCPUUtilization", "Average", 80, ">", 3, 3, "missing"),
}
# What differs for a cluster of memcached, which has no metric of an engine's thread.
MEMCACHED = {
    "cache-cpu": ("CPUUtilization", "Average", 80, ">", 3, 3, "missing"),
    "cache-memory": ("FreeableMemory", "Minimum", 32 * 1024**2, "<", 3, 3, "missing"),
}
COMPARE = {
    ">=": "GreaterThanOrEqualToThreshold", ">": "GreaterThanThreshold", "<": "LessThanThreshold",
}


def read(file):
    with open(file, "rb") as f:
        given = tomllib.load(f)
    config = {k: {**v, **given.get(k, {})} if isinstance(v, dict) else given.get(k) or v for k, v in DEFAULTS.items()}
    config["name"] = given["name"]
    stores = [store for store in STORES if config[store]["mode"] != "off"]
    config["service"] = [Service(name, table, stores) for name, table in sorted(given["service"].items())]
    for side in ("public", "private"):
        config["network"][side] = config["network"][side] or DEFAULTS["network"][side]
    return config


class Service(dict):
    """A service's table with its defaults, and what is found of the service while it is checked."""

    def __init__(self, name, table, stores):
        super().__init__(SERVICE | table)
        self["scale"] = SERVICE["scale"] | table.get("scale", {})
        # What the service keeps when it is renamed has the name that it had first.
        self.name = self.owner = name
        # What is handed over when the port changes is called after it, on another port than 80.
        self.slot = name if self["port"] == 80 else f"{name}-{self['port']}"
        self.needs = [store for store in stores if self["needs"] is None or store in self["needs"]]


class Check:
    def __init__(self, account, file, owner=None):
        self.all, self.config = account, read(file)
        self.stack, self.region, self.services = self.config["name"], self.config["region"], self.config["service"]
        if owner:
            [only] = self.services
            only.owner = owner
        self.count, self.wrong, self.seen = 0, [], set()

    def has(self, store):
        return self.config[store]["mode"] == "create"

    def users(self, store):
        """The services that use a store."""
        return [s for s in self.services if store in s.needs]

    def eq(self, what, found, want):
        self.count += 1
        if found != want:
            self.wrong.append(f"{what}: found {json.dumps(found)[:600]}, want {json.dumps(want)[:600]}")

    def fields(self, what, thing, **want):
        for name, value in want.items():
            self.eq(f"{what} {name}", thing.get(name), value)

    def tag(self, of):
        return f"{self.config['tag_prefix']}{of}"

    def name(self, step, plain=None):
        step_named = f"{step.split('/')[0]}/{plain}" if plain else step
        return self.config["names"].get(step, name_of(step_named, self.stack, self.config["region"]))

    def step(self, kind, step, plain=None, more=()):
        """The one object of a kind that is tagged as this step; its tags are checked at once."""
        want = {self.tag("stack"): self.stack, self.tag("step"): step}
        mine = [(i, o) for i, o in self.all[kind].items() if want.items() <= o.get("tags", {}).items()]
        self.eq(f"objects of {kind} tagged {step}", len(mine), 1)
        if not mine:
            raise LookupError(f"no object of {kind} is tagged {step}")
        id, found = mine[0]
        self.eq(f"{step} tags", found["tags"], want | {"Name": self.name(step, plain)} | self.config["tags"] | dict(more))
        self.seen.add((kind, id))
        return id, found

    def rules(self, group):
        found = set()
        for side, ports in (("in", "IpPermissions"), ("out", "IpPermissionsEgress")):
            for p in group[ports]:
                peers = [r["CidrIp"] for r in p["IpRanges"]] + [r["CidrIpv6"] for r in p["Ipv6Ranges"]]
                peers += [g["GroupId"] for g in p["UserIdGroupPairs"]] + [l["PrefixListId"] for l in p["PrefixListIds"]]
                found |= {(side, p["IpProtocol"], p.get("FromPort"), p.get("ToPort"), peer) for peer in peers}
        return sorted(found)

    def network(self):
        net, zones = self.config["network"], self.config["zones"]
        self.vpc, vpc = self.step("vpcs", "vpc/main")
        self.fields("VPC", vpc, CidrBlock=net["cidr"], IsDefault=False, State="available",
                    enableDnsSupport=True, enableDnsHostnames=True)
        gateway, igw = self.step("internet_gateways", "internet-gateway/main")
        self.eq("gateway's VPC", [(a["VpcId"], a["State"]) for a in igw["Attachments"]], [(self.vpc, "available")])
        self.public, self.private = [], []
        for side, ids in (("public", self.public), ("private", self.private)):
            for zone, cidr in zip(zones, net[side], strict=True):
                step = f"subnet/{side}-{zone[-1]}"
                id, subnet = self.step("subnets", step)
                self.fields(step, subnet, VpcId=self.vpc, CidrBlock=cidr, AvailabilityZone=zone,
                            MapPublicIpOnLaunch=side == "public")
                ids.append(id)
        endpoint, s3 = self.step("vpc_endpoints", "vpc-endpoint/s3")
        for side, subnets in (("public", self.public), ("private", self.private)):
            id, table = self.step("route_tables", f"route-table/{side}")
            self.eq(f"{side} table's subnets", sorted(a["SubnetId"] for a in table["Associations"]), sorted(subnets))
            routes = {(r.get("DestinationCidrBlock") or "S3", r.get("GatewayId"), r["State"]) for r in table["Routes"]}
            want = {(net["cidr"], "local", "active")}
            if side == "public":
                want |= {("0.0.0.0/0", gateway, "active"), ("S3", endpoint, "active")}
                self.fields("S3 endpoint", s3, VpcId=self.vpc, ServiceName=f"com.amazonaws.{self.region}.s3",
                            VpcEndpointType="Gateway", RouteTableIds=[id], State="available")
            self.eq(f"{side} table's routes", sorted(routes), sorted(want))
        nat = [n for n in self.all["nat_gateways"].values() if n["VpcId"] == self.vpc]
        self.eq("NAT gateways (none: they cost)", nat, [])
        self.eq("elastic addresses", self.all["addresses"], {})

    def what_comes_with_the_vpc(self):
        _, acl = self.step("network_acls", "default-network-acl/main")
        self.fields("default network ACL", acl, VpcId=self.vpc, IsDefault=True)
        entries = {(e["Egress"], e["RuleNumber"], e["RuleAction"], e["Protocol"], e["CidrBlock"]) for e in acl["Entries"]}
        want = [(way, *rule, "-1", "0.0.0.0/0") for way in (False, True) for rule in ((100, "allow"), (32767, "deny"))]
        self.eq("entries of the default network ACL", sorted(entries), want)
        followers = sorted(a["SubnetId"] for a in acl["Associations"])
        self.eq("subnets of the default network ACL", followers, sorted(self.public + self.private))
        _, group = self.step("security_groups", "default-security-group/main")
        self.fields("default group", group, VpcId=self.vpc, GroupName="default")
        self.eq("rules of the default group", self.rules(group), [])
        _, table = self.step("route_tables", "main-route-table/main")
        self.eq("main table's associations", [(a["Main"], a.get("SubnetId")) for a in table["Associations"]], [(True, None)])
        self.eq("main table's routes", [r["GatewayId"] for r in table["Routes"]], ["local"])
        options = self.all["dhcp_options"][self.all["vpcs"][self.vpc]["DhcpOptionsId"]]
        domain = "ec2.internal" if self.region == "us-east-1" else f"{self.region}.compute.internal"
        told = {c["Key"]: [v["Value"] for v in c["Values"]] for c in options["DhcpConfigurations"]}
        self.eq("what DHCP tells", told, {"domain-name": [domain], "domain-name-servers": ["AmazonProvidedDNS"]})
        self.eq("the region's options have no tags", options["tags"], {})

    def groups(self):
        access, data = self.config["access"], {
            "database": ("db", DATABASE[self.config["database"]["engine"]][0]),
            "cache": ("cache", CACHE[self.config["cache"]["engine"]][2]),
            "files": ("files", 2049),
        }
        data = {store: row for store, row in data.items() if self.has(store)}
        self.sg, bodies = {}, {}
        for name in ("alb", *(name for name, _ in data.values())):
            self.sg[name], bodies[name] = self.group(f"security-group/{name}")
        for s in self.services:
            s.group, bodies[s.name, "of a service"] = self.group(own("security-group", service=s.owner))
        doors = [80, 443] if self.config["balancer"]["tls"] else [80]
        want = {"alb": [("in", p, c) for p in doors for c in self.visitors()] + [("out", s["port"], s.group) for s in self.services]}
        for s in self.services:
            want[s.name, "of a service"] = (
                [("in", s["port"], self.sg["alb"])] + [("in", 22, c) for c in access["ssh"]]
                + [("out", 80, "0.0.0.0/0"), ("out", 443, "0.0.0.0/0")]
                + [("out", port, self.sg[name]) for store, (name, port) in data.items() if store in s.needs]
            )
        for store, (name, port) in data.items():
            want[name] = [("in", port, s.group) for s in self.users(store)]
        for name, rules in want.items():
            whole = sorted((side, "tcp", p, p, peer) for side, p, peer in rules)
            self.eq(f"rules of group {name}", self.rules(bodies[name]), whole)

    def group(self, step):
        id, body = self.step("security_groups", step)
        self.fields(step, body, VpcId=self.vpc, GroupName=name_of(step, self.stack))
        return id, body

    def visitors(self):
        """Who reaches the balancer: only CloudFront, and ranges that are given, if it is closed."""
        cdn, http = self.config["cdn"], self.config["access"]["http"]
        if self.config["balancer"]["scheme"] == "internal" and http == ["0.0.0.0/0"]:
            return [self.config["network"]["cidr"]]
        if cdn["mode"] == "off" or not cdn["close_balancer"]:
            return http
        name = "com.amazonaws.global.cloudfront.origin-facing"
        [theirs] = [i for i, l in self.all["prefix_lists"].items() if l["PrefixListName"] == name]
        return [theirs] + [c for c in http if c != "0.0.0.0/0"]

    def has_header(self):
        """Whether the balancer answers only requests with the header that the distribution sends."""
        cdn = self.config["cdn"]
        return cdn["mode"] == "create" and cdn["close_balancer"] and self.config["access"]["http"] == ["0.0.0.0/0"]

    def edge(self):
        cdn = self.config["cdn"]
        if cdn["mode"] == "off":
            return
        more = {self.tag("region"): self.config["region"]}
        self.distribution, found = self.step("distributions", "distribution/main", more=more)
        config = found["DistributionConfig"]
        classes = {"100": "PriceClass_100", "200": "PriceClass_200", "all": "PriceClass_All"}
        self.fields("distribution", config, Enabled=True, PriceClass=classes[cdn["price_class"]])
        self.eq("distribution's state", found["Status"], "Deployed")
        [origin] = config["Origins"]["Items"]
        self.eq("origin", origin["DomainName"], self.lb["DNSName"])
        self.fields("origin", origin["CustomOriginConfig"], HTTPPort=80, OriginProtocolPolicy="http-only")
        headers = {h["HeaderName"]: h["HeaderValue"] for h in origin["CustomHeaders"].get("Items", [])}
        self.eq("header", headers == ({"X-Gameday-Origin": self.header} if self.has_header() else {}), True)
        behavior = config["DefaultCacheBehavior"]
        self.fields("cache", behavior, MinTTL=0, DefaultTTL=cdn["ttl_seconds"], MaxTTL=cdn["ttl_seconds"], Compress=True,
                    ViewerProtocolPolicy="allow-all", TargetOriginId=origin["Id"])
        self.eq("cached methods", sorted(behavior["AllowedMethods"]["CachedMethods"]["Items"]), ["GET", "HEAD"])
        self.eq("methods", behavior["AllowedMethods"]["Quantity"], 7)
        values = behavior["ForwardedValues"]
        self.eq("query is passed on", values["QueryString"], cdn["query"] != [])
        names = [] if cdn["query"] == ["*"] else cdn["query"]
        self.eq("query in the key", sorted(values["QueryStringCacheKeys"].get("Items", [])), sorted(names))
        self.eq("headers in the key", sorted(values["Headers"].get("Items", [])), sorted(cdn["headers"]))
        short = {e["ErrorCode"]: e["ErrorCachingMinTTL"] for e in config["CustomErrorResponses"]["Items"]}
        self.eq("errors are kept briefly", {short.get(code) for code in (500, 502, 503, 504)}, {1})

    def secrets(self):
        self.passwords = {}
        databases = ["db-master-password", "db-app-password"] if self.has("database") else []
        header = ["cdn-header"] if self.has_header() else []
        for name in [*databases, *header]:
            id, parameter = self.step("parameters", f"parameter/{name}")
            self.eq(f"{name} name", id, f"/gameday/{self.stack}/{name}")
            self.fields(name, parameter, Type="SecureString", Tier="Standard", KeyId="alias/aws/ssm")
            value = parameter["value"]
            self.eq(f"{name} is long, letters and digits", (len(value) >= 24, value.isascii() and value.isalnum()), (True, True))
            self.passwords[name] = value
        self.eq("different passwords", len(set(self.passwords.values())), len(databases) + len(header))
        self.header = self.passwords.get("cdn-header")

    def database(self):
        d, self.database_id, self.host = self.config["database"], None, None
        if not self.has("database"):
            return
        subnets, group = self.step("db_subnet_groups", "db-subnet-group/main")
        found = sorted(s["SubnetIdentifier"] for s in group["Subnets"])
        self.eq("DB subnet group's subnets", found, sorted(self.private))
        port, version, wanted, usual = DATABASE[d["engine"]]
        parameters, family = self.step("db_parameter_groups", "db-parameter-group/main")
        self.fields("parameter group", family, DBParameterGroupFamily=wanted, parameters=usual | d["parameters"])
        # Which password the database was given last cannot be read back: a tag says when that one was set.
        master = self.step("parameters", "parameter/db-master-password")[1]
        id, db = self.step("db_instances", "database/main", more={self.tag("password-set"): when(master["LastModifiedDate"])})
        self.eq("database name", id, self.name("database/main"))
        self.fields(
            "database", db, Engine=d["engine"], DBInstanceClass=d["class"], AllocatedStorage=d["storage_gb"],
            StorageType="gp3", MultiAZ=d["multi_az"], BackupRetentionPeriod=d["backup_days"], PubliclyAccessible=False,
            DBName=d["database"], MasterUsername=d["master_user"], DeletionProtection=False, MonitoringInterval=0,
            StorageEncrypted=d["encrypted"],
            AutoMinorVersionUpgrade=False, EngineLifecycleSupport="open-source-rds-extended-support-disabled",
            DBInstanceStatus="available", PendingModifiedValues={},
        )
        self.eq("database version", db["EngineVersion"].startswith(d.get("version", version) + "."), True)
        self.eq("database port", db["Endpoint"]["Port"], port)
        self.eq("database's groups", [(g["VpcSecurityGroupId"], g["Status"]) for g in db["VpcSecurityGroups"]],
                [(self.sg["db"], "active")])
        self.eq("database's subnet group", db["DBSubnetGroup"]["DBSubnetGroupName"], subnets)
        self.eq("database's parameter group", [(p["DBParameterGroupName"], p["ParameterApplyStatus"])
                                               for p in db["DBParameterGroups"]], [(parameters, "in-sync")])
        self.eq("database Iops (gp3 below 400 GiB takes none)", db.get("Iops") in (None, 3000), True)
        self.host = db["Endpoint"]["Address"]
        self.database_id = id

    def cache(self):
        c, two = self.config["cache"], self.config["cache"]["nodes"] == 2
        self.members, self.cache_hosts = [], []
        if not self.has("cache"):
            return None
        version, family, port = CACHE[c["engine"]]
        subnets, group = self.step("cache_subnet_groups", "cache-subnet-group/main")
        found = sorted(s["SubnetIdentifier"] for s in group["Subnets"])
        self.eq("cache subnet group's subnets", found, sorted(self.private))
        if c["engine"] == "memcached":
            return self.cluster(subnets, version, family, port)
        id, cache = self.step("replication_groups", "cache/main")
        self.eq("cache name", id, self.name("cache/main"))
        on = "enabled" if two else "disabled"
        self.fields(
            "cache", cache, TransitEncryptionEnabled=False, AtRestEncryptionEnabled=c["encrypted"], AuthTokenEnabled=False,
            MultiAZ=on, AutomaticFailover=on, CacheNodeType=c["class"], ClusterEnabled=False, SnapshotRetentionLimit=0,
            Engine=c["engine"], Status="available",
        )
        self.members = sorted(cache["MemberClusters"])
        self.eq("cache nodes", len(self.members), c["nodes"])
        zones = [self.all["cache_clusters"][m]["PreferredAvailabilityZone"] for m in self.members]
        self.eq("cache nodes' zones", zones, self.config["zones"][: c["nodes"]])
        for m in self.members:
            node = self.all["cache_clusters"][m]
            self.seen.add(("cache_clusters", m))
            self.fields(m, node, Engine=c["engine"], CacheSubnetGroupName=subnets, CacheNodeType=c["class"])
            self.eq(f"{m} version", node["EngineVersion"].startswith(version), True)
            self.eq(f"{m} parameter group", node["CacheParameterGroup"]["CacheParameterGroupName"], family)
            self.eq(f"{m} groups", [g["SecurityGroupId"] for g in node["SecurityGroups"]], [self.sg["cache"]])
        self.cache_hosts = [cache["NodeGroups"][0]["PrimaryEndpoint"]["Address"]]
        return None

    def cluster(self, subnets, version, family, port):
        c = self.config["cache"]
        id, cache = self.step("cache_clusters", "cache-cluster/main")
        self.eq("cache name", id, self.name("cache-cluster/main"))
        self.fields(
            "cache", cache, Engine="memcached", EngineVersion=version, CacheNodeType=c["class"], NumCacheNodes=c["nodes"],
            CacheClusterStatus="available", CacheSubnetGroupName=subnets, TransitEncryptionEnabled=False,
            SnapshotRetentionLimit=0, AutoMinorVersionUpgrade=False, PendingModifiedValues={},
        )
        self.eq("cache parameter group", cache["CacheParameterGroup"]["CacheParameterGroupName"], family)
        self.eq("cache groups", [g["SecurityGroupId"] for g in cache["SecurityGroups"]], [self.sg["cache"]])
        self.eq("cache discovery port", cache["ConfigurationEndpoint"]["Port"], port)
        nodes = sorted(cache["CacheNodes"], key=lambda n: n["CacheNodeId"])
        zones = [n["CustomerAvailabilityZone"] for n in nodes]
        self.eq("cache nodes' zones", zones, self.config["zones"][: c["nodes"]])
        self.members, self.cache_hosts = [id], [n["Endpoint"]["Address"] for n in nodes]

    def files(self):
        f, self.fs, self.addresses = self.config["files"], None, {}
        if not self.has("files"):
            return
        self.fs, system = self.step("file_systems", "file-system/main")
        self.fields("file system", system, ThroughputMode=f["throughput"], PerformanceMode="generalPurpose", Encrypted=f["encrypted"],
                    LifeCycleState="available", NumberOfMountTargets=len(self.private))
        targets = [t for t in self.all["mount_targets"].values() if t["FileSystemId"] == self.fs]
        self.eq("mount targets' subnets", sorted(t["SubnetId"] for t in targets), sorted(self.private))
        self.eq("mount targets' groups", [t["groups"] for t in targets], [[self.sg["files"]]] * len(self.private))
        self.addresses = {t["AvailabilityZoneName"]: t["IpAddress"] for t in targets}
        for s in self.users("files"):
            s.point, point = self.step("access_points", f"access-point/{s.name}")
            root = point["RootDirectory"]
            self.eq("access point", (point["FileSystemId"], root["Path"]), (self.fs, f"/{s.name}"))
            owner = root["CreationInfo"]
            self.eq("access point's owner", (owner["OwnerUid"], owner["OwnerGid"]),
                    (point["PosixUser"]["Uid"], point["PosixUser"]["Gid"]))
            self.eq("access point's user is not root", point["PosixUser"]["Uid"] > 0, True)

    def logs(self, s):
        for name in ("app", "boot"):
            id, group = self.step("log_groups", own("log-group", name, s.owner))
            self.eq("log group", (id, group.get("retentionInDays")),
                    (log_path(name, self.stack, s.owner), self.config["monitoring"]["log_days"]))

    def iam(self, s):
        account = f"{self.region}:123456789012"
        # Of one stack in several regions: whose they are says a tag.
        where = {self.tag("region"): self.config["region"]}
        step = own("role", service=s.owner)
        role, body = self.step("roles", step, more=where)
        self.eq("role name", role, self.name(step))
        trust = [(p["Effect"], p["Principal"], one(p["Action"])) for p in body["trust"]["Statement"]]
        self.eq("role's trust", trust, [("Allow", {"Service": "ec2.amazonaws.com"}, "sts:AssumeRole")])
        iam = self.config["iam"]
        self.eq("role's attached policies", sorted(body["attached"]), sorted(iam["policies"]))
        self.eq("role's boundary", body["boundary"], iam["permissions_boundary"])
        self.eq("role's path", body["Path"], iam["path"])
        self.eq("role's policies", len(body["inline"]), 1)
        [policy] = body["inline"].values()
        found = sorted((a, r) for p in policy["Statement"] for a in many(p["Action"]) for r in many(p["Resource"]))
        logs = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        want = [("ssm:GetParameter", f"arn:aws:ssm:{account}:parameter/gameday/{self.stack}/{n}")
                # The master password only until the database is set up.
                for n in ("db-app-password",) if "database" in s.needs]
        want += [(a, f"arn:aws:logs:{account}:log-group:{log_path(n, self.stack, s.owner)}:*") for a in logs for n in ("app", "boot")]
        want += [("cloudwatch:PutMetricData", "*"), ("ec2:DescribeTags", "*")]
        want += [("s3:GetObject", arn) for arn in iam["read_objects"]]
        source = s["source"]
        want += [("s3:GetObject", f"arn:aws:s3:::{source[5:]}")] if source.startswith("s3://") else []
        want += [("kms:Decrypt", arn) for arn in iam["kms_keys"]]
        channels = [f"ssmmessages:{do}{what}Channel" for do in ("Create", "Open") for what in ("Control", "Data")]
        want += [(a, "*") for a in ("ssm:UpdateInstanceInformation", *channels)] if iam["ssm"] else []
        self.eq("role may do exactly", found, sorted(want))
        limited = [p.get("Condition") for p in policy["Statement"] if "cloudwatch:PutMetricData" in many(p["Action"])]
        self.eq("metrics' namespace", limited, [{"StringEqualsIgnoreCase": {"cloudwatch:namespace": ["GameDay"]}}])
        decrypt = [p.get("Condition") for p in policy["Statement"] if "kms:Decrypt" in many(p["Action"])]
        via = {"StringEquals": {"kms:ViaService": [f"s3.{self.region}.amazonaws.com"]}}
        self.eq("keys only through S3", decrypt, [via] if iam["kms_keys"] else [])
        self.eq("all are Allow", {p["Effect"] for p in policy["Statement"]}, {"Allow"})
        s.profile, profile = self.step("instance_profiles", own("instance-profile", service=s.owner), more=where)
        self.eq("profile's role", profile["roles"], [role])
        self.eq("profile's path", profile["Path"], iam["path"])

    def template(self, s):
        step = f"launch-template/{s.name}"
        s.template, template = self.step("launch_templates", step)
        self.eq("template name", template["LaunchTemplateName"], self.name(step))
        s.version = template["DefaultVersionNumber"]
        self.eq("template's default is its latest", s.version, template["LatestVersionNumber"])
        data = self.all["launch_template_versions"][f"{s.template}:{s.version}"]["LaunchTemplateData"]
        image = s["image"] or self.all["image"]
        self.fields("template", data, ImageId=image, InstanceType=s["instance_type"],
                    KeyName=self.config["access"]["key_pair"], SecurityGroupIds=[s.group])
        self.eq("template's profile", list(data["IamInstanceProfile"].values()), [s.profile])
        options = data["MetadataOptions"]
        self.fields("template's metadata", options, HttpTokens="required", HttpPutResponseHopLimit=1,
                    HttpEndpoint="enabled", InstanceMetadataTags="disabled")
        self.eq("template's monitoring", data["Monitoring"], {"Enabled": True})
        self.eq("template's credits", data["CreditSpecification"], {"CpuCredits": "unlimited"})
        spread = {t["ResourceType"]: {p["Key"]: p["Value"] for p in t["Tags"]} for t in data["TagSpecifications"]}
        ours = {self.tag("stack"): self.stack, "Name": self.name(f"instance/{s.name}")} | self.config["tags"]
        self.eq("template tags", sorted(spread), ["instance", "volume"])
        for kind, tags in spread.items():
            name = self.config["names"].get(f"{kind}/{s.name}", ours["Name"])
            self.eq(f"{kind}'s tags", tags, ours | {"Name": name})
        self.eq("user data's size", len(base64.b64decode(data["UserData"])) <= 16384, True)
        text = script(data["UserData"])
        self.eq("user data has no password", [n for n, p in self.passwords.items() if p in text], [])
        d, f = self.config["database"], self.config["files"]
        told = [s["source"], *s["env"], *(v for v in s["env"].values() if "{{" not in v), *s["packages"], s["command"] or ""]
        if "database" in s.needs:
            told += [self.host, d["database"], d["user"], f"/gameday/{self.stack}/db-app-password"]
        if "cache" in s.needs:
            # Not every configuration names all nodes.
            told += self.cache_hosts[:1]
        if "files" in s.needs:
            told += [self.fs, s.point, f["path"], *self.addresses.values()]
        self.eq("user data does not say", [t for t in told if t not in text], [])
        foreign = [] if "database" in s.needs or not self.host else [self.host, f"/gameday/{self.stack}/db-app-password"]
        foreign += [] if "cache" in s.needs else self.cache_hosts
        self.eq("user data says what the service does not need", [t for t in foreign if t in text], [])

    def balancer_itself(self):
        dns = self.config["dns"]
        # The tag keeps the names that it had, too.
        _, lb = self.step("load_balancers", "load-balancer/main", more=self.names(dns))
        self.lb = lb
        internal = self.config["balancer"]["scheme"] == "internal"
        self.fields("balancer", lb, LoadBalancerName=self.name("load-balancer/main"),
                    Scheme="internal" if internal else "internet-facing",
                    Type="application", VpcId=self.vpc, SecurityGroups=[self.sg["alb"]], IpAddressType="ipv4")
        self.eq("balancer's state", lb["State"]["Code"], "active")
        if dns:
            record = self.record(dns["name"], "A")
            target = {"HostedZoneId": lb["CanonicalHostedZoneId"], "DNSName": lb["DNSName"].lower() + ".",
                      "EvaluateTargetHealth": False}
            self.eq("alias", record.get("AliasTarget"), target)
        self.eq("balancer's subnets", sorted(z["SubnetId"] for z in lb["AvailabilityZones"]),
                sorted(self.private if internal else self.public))
        self.eq("balancer's idle timeout", lb["attributes"]["idle_timeout.timeout_seconds"], "60")
        drops = lb["attributes"]["routing.http.drop_invalid_header_fields.enabled"]
        self.eq("balancer drops headers with odd names", drops, "true")

    def doors(self):
        arn, tls = self.lb["LoadBalancerArn"], self.config["balancer"]["tls"]
        doors = [("http", 80, "")] + ([("https", 443, "-https")] if tls else [])
        self.eq("listeners", len([l for l in self.all["listeners"].values() if l["LoadBalancerArn"] == arn]), len(doors))
        for door in doors:
            self.door(*door, arn, tls)

    def targets(self, s):
        s.target, target = self.step("target_groups", f"target-group/{s.slot}")
        self.fields(
            "target group", target, TargetGroupName=self.name(f"target-group/{s.slot}"), Protocol="HTTP",
            Port=s["port"], VpcId=self.vpc, TargetType="instance", HealthCheckEnabled=True,
            HealthCheckProtocol="HTTP", HealthCheckPort="traffic-port", HealthCheckPath=s["health_path"],
            HealthCheckIntervalSeconds=s["health_interval"], HealthyThresholdCount=2, UnhealthyThresholdCount=3,
            Matcher={"HttpCode": s["health_codes"]}, LoadBalancerArns=[self.lb["LoadBalancerArn"]],
        )
        short = target["HealthCheckTimeoutSeconds"] < s["health_interval"]
        self.eq("health check's timeout is below its interval", short, True)
        self.fields("target group", target["attributes"], **{
            "load_balancing.algorithm.type": "least_outstanding_requests", "slow_start.duration_seconds": "0",
            "deregistration_delay.timeout_seconds": "15", "stickiness.enabled": "false",
        })
        self.eq("targets", [t["TargetHealth"]["State"] for t in target["targets"]], ["healthy"] * s["desired"])
        self.eq("targets' ports", {t["Target"]["Port"] for t in target["targets"]}, {s["port"]})

    def door(self, name, port, suffix, balancer, tls):
        """One listener with its rules, whose names end in `suffix`."""
        listener, body = self.step("listeners", f"listener/{name}")
        self.fields("listener", body, Port=port, Protocol=name.upper(), LoadBalancerArn=balancer)
        rules = sorted((r for r in self.all["rules"].values() if r["listener"] == listener and not r["IsDefault"]),
                       key=lambda r: int(r["Priority"]))
        rules = self.blocked(rules, suffix)
        if suffix:
            self.certificate(body, tls)
        elif tls and tls.get("redirect", True):
            self.step("rules", "listener-rule/redirect-to-https")
            [redirect, *rules] = rules
            self.eq("redirect's priority", redirect["Priority"], "99")
            [action] = redirect["Actions"]
            to = {k: action["RedirectConfig"].get(k) for k in ("Protocol", "Port", "StatusCode")}
            self.eq("redirect", to, {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"})
        [action] = body["DefaultActions"]
        default = [s for s in self.services if not s["routes"] and not s["hosts"]]
        forward = ("forward", default[0].target, None) if default else ("fixed-response", None, "404")
        if self.has_header():
            self.eq("default action", self.action(action), ("fixed-response", None, "403"))
            self.step("rules", "listener-rule/cloudfront-requests")
            *rules, last = rules
            self.eq("last priority", last["Priority"], "50000")
            [action], [condition] = last["Actions"], last["Conditions"]
            self.from_cloudfront(condition)
            self.eq("last action", self.action(action), forward)
        else:
            self.eq("default action", self.action(action), forward)
        self.eq("rules of no service", len(rules), sum(len(self.routes(s, rules, suffix)) for s in self.services))
        self.eq("rules have priorities of their own", len({r["Priority"] for r in rules}), len(rules))
        for s in self.services:
            for path in s["routes"]:
                asked = path.replace("*", "x/y").replace("?", "z")
                first = next((r for r in rules if any(fnmatch.fnmatchcase(asked, p) for p in self.values(r, "path-pattern"))), None)
                self.eq(f"{asked} reaches {s.name}", first and first["Actions"][0].get("TargetGroupArn"), s.target)

    def action(self, action):
        """The type of an action, its target group, and the code of its answer."""
        return action["Type"], action.get("TargetGroupArn"), action.get("FixedResponseConfig", {}).get("StatusCode")

    def routes(self, s, rules, suffix):
        """The rules of one service."""
        mine = [r for r in rules if r["Actions"][0].get("TargetGroupArn") == s.target]
        for i in range(len(mine)):
            _, rule = self.step("rules", f"listener-rule/{s.name}-{i + 1}{suffix}")
            self.eq("rule's action", [(a["Type"], a.get("TargetGroupArn")) for a in rule["Actions"]], [("forward", s.target)])
            self.eq("rule's listener", rule["listener"], rules[0]["listener"])
            headers = [c for c in rule["Conditions"] if c["Field"] == "http-header"]
            self.eq("rule's header", len(headers), int(self.has_header()))
            for header in headers:
                self.from_cloudfront(header)
        for field, wanted in (("path-pattern", s["routes"]), ("host-header", s["hosts"])):
            found = {value for rule in mine for value in self.values(rule, field)}
            self.eq(f"{field} of {s.name}", sorted(found), sorted(wanted))
        patterns = ("path-pattern", "host-header")
        counts = [sum(len(self.values(r, c["Field"])) for c in r["Conditions"] if c["Field"] in patterns) for r in mine]
        # The header and its value count, too.
        most = 3 if self.has_header() else 5
        self.eq(f"a rule has at most {most} values of paths and hosts", max(counts, default=0) <= most, True)
        return mine

    def values(self, rule, field):
        """The values of a rule's condition."""
        config = {"path-pattern": "PathPatternConfig", "host-header": "HostHeaderConfig"}[field]
        found = [c for c in rule["Conditions"] if c["Field"] == field]
        return [v for c in found for v in c.get("Values") or c[config]["Values"]]

    def names(self, dns):
        """The tag of the balancer that keeps its names; earlier ones come first."""
        found = [o["tags"].get(self.tag("dns")) for o in self.all["load_balancers"].values()
                 if o["tags"].get(self.tag("stack")) == self.stack]
        kept = (found[0] if found else None) or ""
        if dns:
            self.eq("balancer's tag has the name", kept.split()[-1:], [dns["name"]])
        return {self.tag("dns"): kept} if kept else {}

    def record(self, name, kind):
        """The one record of a name."""
        found = [r for r in self.all["dns_records"].values() if r["Name"] == name + "."]
        self.eq(f"types of {name}", [r["Type"] for r in found], [kind])
        return found[0] if found else {}

    def from_cloudfront(self, condition):
        header = condition["HttpHeaderConfig"]
        self.eq("header's name", (condition["Field"], header["HttpHeaderName"]), ("http-header", "X-Gameday-Origin"))
        self.eq("header's value", header["Values"] == [self.header], True)

    def certificate(self, listener, tls):
        """The certificate of the HTTPS listener."""
        self.eq("security policy", listener["SslPolicy"], "ELBSecurityPolicy-TLS13-1-2-2021-06")
        [shown] = [c["CertificateArn"] for c in listener["Certificates"]]
        if tls.get("domain"):
            arn, body = self.step("certificates", f"certificate/{tls['domain']}")
            self.eq("listener's certificate", shown, arn)
            self.fields("certificate", body, Status="ISSUED", Type="AMAZON_ISSUED", DomainName=tls["domain"])
            for option in body["DomainValidationOptions"]:
                wanted = option["ResourceRecord"]
                record = self.record(wanted["Name"].rstrip("."), "CNAME")
                self.eq("proof", record["ResourceRecords"], [{"Value": wanted["Value"]}])
            return
        if not tls.get("self_signed"):
            self.eq("listener's certificate", shown, tls["certificate"])
            return
        arn, body = self.step("certificates", "certificate/self-signed")
        self.eq("listener's certificate", shown, arn)
        names = [f"{self.stack}.gameday.internal"]
        self.fields("certificate", body, Status="ISSUED", Type="IMPORTED", SubjectAlternativeNames=names,
                    InUseBy=[listener["LoadBalancerArn"]])
        left = (datetime.datetime.fromisoformat(body["NotAfter"]) - datetime.datetime.now(datetime.timezone.utc)).days
        self.eq("certificate is valid for a year", 390 <= left <= 397, True)

    def blocked(self, rules, suffix):
        """Check the rules that refuse requests. Return the other ones."""
        entries = self.config["balancer"]["block"]
        refusing = [r for r in rules if int(r["Priority"]) < 99]
        self.eq("priorities of blocks", [r["Priority"] for r in refusing], [str(i + 1) for i in range(len(entries))])
        for i, (entry, rule) in enumerate(zip(entries, refusing)):
            self.step("rules", f"listener-rule/blocked-requests-{i + 1}{suffix}")
            [action] = rule["Actions"]
            self.eq("block's answer", action["FixedResponseConfig"]["StatusCode"], "403")
            found = {c["Field"]: c for c in rule["Conditions"]}
            want = {}
            if entry.get("path"):
                want["path-pattern"] = [entry["path"]]
            if entry.get("query"):
                key, sign, value = entry["query"].partition("=")
                want["query-string"] = [{"Key": key, "Value": value} if sign else {"Value": key}]
            if entry.get("header"):
                want["http-header"] = [entry["header"].partition(":")[2].strip()]
                name = found["http-header"]["HttpHeaderConfig"]["HttpHeaderName"]
                self.eq("block's header", name, entry["header"].partition(":")[0])
            kinds = {"path-pattern": "PathPatternConfig", "query-string": "QueryStringConfig", "http-header": "HttpHeaderConfig"}
            values = {field: c.get(kinds[field], {}).get("Values") or c.get("Values") for field, c in found.items()}
            self.eq(f"block {i + 1}", values, want)
        return rules[len(refusing):]

    def fleet(self, s):
        step = f"auto-scaling-group/{s.slot}"
        name, group = self.step("auto_scaling_groups", step)
        s.fleet = name
        self.eq("group's name", name, self.name(step))
        self.fields(
            "group", group, MinSize=s["min"], DesiredCapacity=s["desired"], MaxSize=s["max"], HealthCheckType="ELB",
            HealthCheckGracePeriod=s["grace_seconds"], DefaultInstanceWarmup=s["warmup_seconds"],
            TargetGroupARNs=[s.target], SuspendedProcesses=[], CapacityRebalance=bool(s["spot"]),
            InstanceMaintenancePolicy={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200},
            NewInstancesProtectedFromScaleIn=False,
        )
        self.eq("group's subnets", sorted(group["VPCZoneIdentifier"].split(",")), sorted(self.public))
        spread = {k: v for k, v in group["propagated"].items()}
        self.eq("group spreads no step", spread.get(self.tag("step")), False)
        self.eq("group spreads no Name of its own", spread.get("Name"), False)
        if s["spot"]:
            mixed = group["MixedInstancesPolicy"]
            template = mixed["LaunchTemplate"]["LaunchTemplateSpecification"]
            types = [o["InstanceType"] for o in mixed["LaunchTemplate"]["Overrides"]]
            self.eq("group's types", types, [s["instance_type"], *s["spot"]["types"]])
            self.fields("group's mix", mixed["InstancesDistribution"], OnDemandBaseCapacity=s["spot"]["on_demand_base"],
                        OnDemandPercentageAboveBaseCapacity=s["spot"]["on_demand_percent"],
                        SpotAllocationStrategy="price-capacity-optimized")
        else:
            template = group["LaunchTemplate"]
        self.eq("group's template, by number", (template["LaunchTemplateId"], template["Version"]), (s.template, str(s.version)))
        ids = [i["InstanceId"] for i in group["Instances"]]
        self.eq("instances", len(ids), s["desired"])
        self.eq("group's zones", sorted(group["AvailabilityZones"]), sorted(self.config["zones"]))
        for id in ids:
            body = self.all["instances"][id]
            self.seen.add(("instances", id))
            own = {k: v for k, v in body["tags"].items() if not k.startswith("aws:")}
            want = {self.tag("stack"): self.stack, "Name": self.name(f"instance/{s.name}")} | self.config["tags"]
            self.eq("instance's tags", own, want)
            self.eq("instance's groups", [g["GroupId"] for g in body["SecurityGroups"]], [s.group])
            self.eq("instance's metadata", body["MetadataOptions"]["HttpTokens"], "required")
            self.eq("instance's subnet is public", body["SubnetId"] in self.public, True)
        label = f"{self.lb['LoadBalancerArn'].split('loadbalancer/')[1]}/{s.target.split(':')[-1]}"
        want = {}
        if s["scale"].get("requests_per_target"):
            want[f"{self.stack}-{s.slot}-requests"] = (
                "ALBRequestCountPerTarget", label, float(s["scale"]["requests_per_target"]))
        if s["scale"].get("cpu"):
            want[f"{self.stack}-{s.slot}-cpu"] = ("ASGAverageCPUUtilization", None, float(s["scale"]["cpu"]))
        found = {}
        for policy in self.all["scaling_policies"].values():
            if policy["AutoScalingGroupName"] == name:
                t = policy["TargetTrackingConfiguration"]
                m = t["PredefinedMetricSpecification"]
                found[policy["PolicyName"]] = (m["PredefinedMetricType"], m.get("ResourceLabel"), t["TargetValue"])
                self.eq("policy scales in, is on", (t["DisableScaleIn"], policy["Enabled"]), (False, True))
        self.eq("scaling policies", found, want)

    def watch(self):
        m = self.config["monitoring"]
        lb = self.lb["LoadBalancerArn"].split("loadbalancer/")[1]
        balancer = {"LoadBalancer": lb}
        arns = []
        alarms = ALARMS | (MEMCACHED if self.config["cache"]["engine"] == "memcached" else {})
        has_cdn = self.config["cdn"]["mode"] == "create"
        if has_cdn:
            alarms |= {"cdn-5xx": ("5xxErrorRate", "Average", 5, ">", 2, 2, "notBreaching")}
        wanted = {}
        for name, row in alarms.items():
            store = name.split("-")[0]
            if "hosts" in name:
                for s in self.services:
                    target = balancer | {"TargetGroup": s.target.split(":")[-1]}
                    wanted[own("alarm", name, s.owner).split("/")[1]] = (row, "AWS/ApplicationELB", target)
            elif store == "database" and self.has(store):
                wanted[name] = (row, "AWS/RDS", {"DBInstanceIdentifier": self.database_id})
            elif store == "cache" and self.has(store):
                wanted[name] = (row, "AWS/ElastiCache", {"CacheClusterId": self.members[0]})
            elif store == "cdn":
                wanted[name] = (row, "AWS/CloudFront", {"DistributionId": self.distribution, "Region": "Global"})
            elif store not in STORES:
                wanted[name] = (row, "AWS/ApplicationELB", balancer)
        # Every node of a cache can be full.
        for n, member in enumerate(self.members[1:], 2):
            for name in ("cache-evictions", "cache-cpu"):
                if f"alarm/{name}-{n}" in self.steps():
                    wanted[f"{name}-{n}"] = (ALARMS[name], "AWS/ElastiCache", {"CacheClusterId": member})
        for name, (row, namespace, where) in wanted.items():
            metric, statistic, threshold, compare, points, periods, missing = row
            id, alarm = self.step("alarms", f"alarm/{name}")
            arns.append(alarm["AlarmArn"])
            self.eq("alarm's name", id, self.name(f"alarm/{name}"))
            self.fields(
                name, alarm, Namespace=namespace, MetricName=metric, ComparisonOperator=COMPARE[compare], Period=60,
                Threshold=float(threshold if threshold is not None else m["slow_seconds"]), DatapointsToAlarm=points,
                EvaluationPeriods=periods, TreatMissingData=missing, AlarmActions=m["notify"], ActionsEnabled=True,
            )
            self.eq(f"{name} statistic", alarm.get("Statistic") or alarm.get("ExtendedStatistic"), statistic)
            self.eq(f"{name} dimensions", {d["Name"]: d["Value"] for d in alarm["Dimensions"]}, where)
        id, dashboard = self.step("dashboards", "dashboard/main", plain=None)
        widgets = dashboard["body"]["widgets"]
        shown = [a for w in widgets if w["type"] == "alarm" for a in w["properties"]["alarms"]]
        self.eq("dashboard's alarms", sorted(shown), sorted(arns))
        metrics = [row for w in widgets if w["type"] == "metric" for row in w["properties"]["metrics"]]
        regions = {w["properties"]["region"] for w in widgets if w["type"] == "metric"}
        self.eq("dashboard's regions", regions, {self.region})
        text = json.dumps(metrics)
        ids = [lb, *([self.database_id] if self.database_id else []), *self.members[:1], *([self.distribution] if has_cdn else [])]
        ids += [i for s in self.services for i in (s.target.split(":")[-1], s.fleet)]
        self.eq("dashboard does not show", [i for i in ids if i not in text], [])
        odd = [r for r in metrics if not all(isinstance(p, str) for p in r[:-1]) or len(r[:-1]) % 2]
        self.eq("dashboard's rows are namespace, metric, pairs, options", odd, [])

    def steps(self):
        return {o["tags"].get(self.tag("step")) for things in self.all.values() if isinstance(things, dict)
                for o in things.values() if isinstance(o, dict) and o.get("tags", {}).get(self.tag("stack")) == self.stack}

    def nothing_else(self):
        """Whatever carries the stack's tag has been looked at above; automatic snapshots are RDS's own, and how long the
        steps took (on a slow machine long enough to be worth keeping) is no step."""
        notes = [f"/gameday/{self.stack}/{note}" for note in ("durations", "record", "database")]
        self.seen.update(("parameters", p) for p in self.all["parameters"] if p.startswith(tuple(notes)))
        for kind, things in self.all.items():
            if kind in ("elsewhere", "image", "db_snapshots"):
                continue
            mine = {i for i, o in things.items() if isinstance(o, dict) and (o.get("tags") or {}).get(self.tag("stack")) == self.stack}
            self.eq(f"{kind} that are tagged as ours but no step's", sorted(i for i in mine if (kind, i) not in self.seen), [])

    def run(self):
        each = [self.logs, self.iam, self.template, self.targets, self.fleet]
        before = [self.network, self.what_comes_with_the_vpc, self.groups, self.secrets, self.database, self.cache, self.files]
        # The rules of the balancer lead to the target groups of all services.
        services = [(part, s) for s in self.services for part in each]
        first, last = [(self.balancer_itself,)], [(self.doors,), (self.edge,), (self.watch,), (self.nothing_else,)]
        for part, *of in [*((p,) for p in before), *first, *services, *last]:
            try:
                part(*of)
            except Exception as e:  # the next parts may still tell something
                line = e.__traceback__.tb_next
                while line.tb_next:
                    line = line.tb_next
                self.wrong.append(f"{part.__name__}: {e!r} at {line.tb_frame.f_code.co_filename}:{line.tb_lineno}")
        return {"checks": self.count, "wrong": self.wrong}


def script(encoded):
    """What an instance runs, unpacked."""
    plain = base64.b64decode(encoded)
    return (gzip.decompress(plain) if plain[:2] == b"\x1f\x8b" else plain).decode()


def many(value):
    return value if isinstance(value, list) else [value]


def one(value):
    [only] = many(value)
    return only


def when(text):
    return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check(account, image, file, owner=None):
    return Check(account | {"image": image}, file, owner).run()
