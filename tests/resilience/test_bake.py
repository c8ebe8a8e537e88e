"""`gameday bake`, stopped and killed: no instance and no image is left that nobody knows."""

from conftest import differences

BAKING = [{"Name": "tag-key", "Values": ["gameday:bake"]}]


def baking(world):
    """The baking instances that still cost something."""
    world.control("POST", "pace?pace=instant")
    world.ec2.describe_instances()
    there = [i for r in world.ec2.describe_instances(Filters=BAKING)["Reservations"] for i in r["Instances"]]
    return [i["InstanceId"] for i in there if i["State"]["Name"] != "terminated"]


def images(world):
    return world.ec2.describe_images(Owners=["self"])["Images"]


def stopped_at(world, text):
    """Ctrl-C at a moment that lasts: from `text` on, it takes as long as on AWS."""
    run = world.start("bake", "--yes")
    run.until(text)
    world.control("POST", "pace?pace=real")
    run.interrupt()
    run.wait(60).ends(130)
    assert "stopped: no image was made" in run.text, run.text


def test_once_it_leaves_neither_instance_nor_image(world):
    world.up()
    before = world.inventory()
    for text in ("boots and installs", "its image is made"):
        world.control("POST", "pace?pace=fast")
        stopped_at(world, text)
        assert baking(world) == [] and images(world) == [], text
        assert differences(world.inventory(), before) == []
    world.run("bake", "--yes").ends(0)
    assert len(images(world)) == 1 and baking(world) == []
    world.teardown()
    assert images(world) == [] and differences(world.inventory(), world.empty) == []


def test_what_a_killed_run_left_is_removed_by_the_next_one_and_by_the_teardown(world):
    world.up()
    for end in (lambda: world.run("bake", "--yes", "--steal").ends(0), lambda: world.teardown("--steal")):
        world.control("POST", "pace?pace=real")
        run = world.start("bake", "--yes")
        run.until("boots and installs")
        run.kill()
        world.control("POST", "pace?pace=instant")
        there = world.ec2.describe_instances(Filters=BAKING)["Reservations"]
        left = [i["InstanceId"] for r in there for i in r["Instances"] if i["State"]["Name"] != "terminated"]
        assert len(left) == 1, left
        end()
        assert baking(world) == []
    assert images(world) == [] and differences(world.inventory(), world.empty) == []


def test_it_respects_who_is_at_work(world):
    world.up()
    world.control("POST", "pace?pace=real")
    run = world.start("bake", "--yes")
    run.until("boots and installs")
    second = world.run("bake", "--yes").ends(1)
    assert "bake" in second.text and "--steal" in second.text, second.text
    run.interrupt()
    run.wait(60).ends(130)
    assert baking(world) == []
