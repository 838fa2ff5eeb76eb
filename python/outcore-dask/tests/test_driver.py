"""The driver against real Dask clusters and a stand-in for outcore (`fake_outcore.py`).

    PYTHONPATH=src python -m unittest discover tests

`Contract` runs on the real program too: with its path in OUTCORE_PROGRAM, and in OUTCORE_PLAN the arguments of
`outcore plan` without --job, quoted as in a shell, where {out} stands for the path of an .npy to be made:

    OUTCORE_PROGRAM=outcore OUTCORE_PLAN="'x - mean(x, axis=0)' /data/x.npy -o {out} --tasks-max 16" ...
"""

import importlib.metadata
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import unittest
from pathlib import Path
from unittest import mock

import dask.config
from distributed import Client, Future, LocalCluster

from outcore_dask import JobFailed, __main__, driver, preflight, run_job, task

HERE = Path(__file__).resolve().parent
FAKE = str(HERE / "fake_outcore.py")
SOURCES = str(HERE.parent / "src")
BARE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
FULL = {**BARE, "PYTHONPATH": SOURCES}
WAIT_SECONDS_MAX = 60.0


def find_installed():
    """Whether Dask's processes find the package without PYTHONPATH."""
    try:
        return importlib.metadata.version("outcore-dask")
    except importlib.metadata.PackageNotFoundError:
        return None


def wait_for(condition, what):
    """Polls until `condition` gives something true, and returns it."""
    end = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {WAIT_SECONDS_MAX} s")


def is_alive(pid):
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def workers_told(outcore=str, room=Path):
    """A patch after which preflight asks the workers about another program or folder than the driver's."""

    def ask(client, real_outcore, real_room, nonce):
        return client.run(preflight.examine, outcore(real_outcore), str(room(Path(real_room))), nonce)

    return mock.patch.object(preflight, "_ask_all", ask)


class JobCase(unittest.TestCase):
    """A job folder of the fake, and what can be read from it."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="outcore-dask-", ignore_cleanup_errors=True)
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name) / "job"
        self.events = []

    @classmethod
    def share_cluster(cls, workers):
        """One cluster for all cases of the class."""
        cls.cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
        cls.addClassCleanup(cls.cluster.close)
        cls.client = Client(cls.cluster)
        cls.addClassCleanup(cls.client.close)

    def plan(self, **settings):
        """The first plan, with FAKE_ settings."""
        settings = {"stages": "z:20", **settings}
        environment = {**os.environ, **{f"FAKE_{name.upper()}": str(value) for name, value in settings.items()}}
        command = [FAKE, "plan", "--job", str(self.folder), "--json"]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    def run_job(self, client, **options):
        return run_job(client, self.folder, FAKE, on_event=self.events.append, **options)

    def markers(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob("phase-*/stage-*/*.done"))

    def starts(self, which="*"):
        """Starts of tasks as {"phase-stage-task.attempt": process id}; those being written are left out."""
        texts = {path.name: path.read_text() for path in (self.folder / "starts").glob(f"{which}.*")}
        return {name: int(text) for name, text in texts.items() if text}

    def states(self, state):
        return [event for event in self.events if event["event"] == "task" and event["state"] == state]

    def fails(self, client, **options):
        """Runs a job that must fail; the error."""
        with self.assertRaises(JobFailed) as caught:
            self.run_job(client, **options)
        self.assertEqual(self.events[-1]["event"], "failed")
        self.assertEqual(self.events[-1]["message"], str(caught.exception))
        return caught.exception

    def no_task_lives(self):
        wait_for(lambda: not any(is_alive(pid) for pid in self.starts().values()), "all tasks ended")


class OnCluster(JobCase):
    """Cases that share a cluster of two workers, since none of them harms it."""

    @classmethod
    def setUpClass(cls):
        cls.share_cluster(2)

    def test_events(self):
        self.plan(stages="a mean(x):6")
        self.run_job(self.client)
        kinds = [event["event"] for event in self.events]
        self.assertEqual((kinds[0], kinds[-1], kinds.count("stage")), ("stage", "done", 1))
        self.assertEqual(len(self.states("running")), 6)
        self.assertEqual({event["name"] for event in self.states("done")}, {f"a_mean_x-3f2a0000-p0-s0-{i}" for i in range(6)})
        last = [event for event in self.events if event["event"] == "progress"][-1]
        self.assertEqual((last["done"], last["tasks"], last["bytes"]), (6, 6, 600))
        self.assertEqual(list(self.folder.glob(".preflight-*")), [])

    def test_only_what_is_not_done(self):
        self.plan(stages="z:9")
        for number in (0, 4, 8):
            subprocess.run(
                [FAKE, "task", "--job", str(self.folder), "--phase", "0", "--stage", "0", "--task", str(number)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        self.run_job(self.client)
        self.assertEqual({event["task"] for event in self.states("running")}, {1, 2, 3, 5, 6, 7})
        self.assertEqual(self.run_job(self.client), self.run_job(self.client))
        self.assertEqual(len(self.states("running")), 6, "a job that is done starts nothing")

    def test_retry_on_75(self):
        self.plan(stages="z:6", fail="3:2:75")
        with mock.patch.object(driver, "RETRY_SECONDS", 0.05):
            self.run_job(self.client)
        self.assertEqual(len(self.markers()), 6)
        self.assertEqual([event["task"] for event in self.states("retry")], [3, 3])
        self.assertIn("block 3 of x.npy is bad", self.states("retry")[0]["message"])
        self.assertEqual(len(self.starts("0-0-3")), 3)
        self.assertEqual([event["attempt"] for event in self.states("done") if event["task"] == 3], [3])
        self.assertIn("block 3 of x.npy is bad", str(self.client.get_worker_logs()))

    def test_long_stderr(self):
        """Dask shortens what is long, but must leave the class of the error."""
        self.plan(stages="z:6", fail="3:1:75", noise=300_000)
        with mock.patch.object(driver, "RETRY_SECONDS", 0.05):
            self.run_job(self.client)
        self.assertEqual([event["task"] for event in self.states("retry")], [3])

        self.folder = self.folder.with_name("another")
        self.plan(stages="z:6", fail="3:1:65", noise=300_000)
        error = self.fails(self.client)
        self.assertEqual(error.code, 65)
        self.assertIn("####\nreproduce: ", str(error))
        self.assertLess(len(str(error)), 2 * task.WORDS_MAX)

    def test_killed_task(self):
        self.plan(stages="z:6", fail="3:1:-9,4:1:-15")
        with mock.patch.object(driver, "RETRY_SECONDS", 0.05):
            self.run_job(self.client)
        self.assertEqual({event["task"] for event in self.states("retry")}, {3, 4})
        self.assertEqual((len(self.starts("0-0-3")), len(self.starts("0-0-4"))), (2, 2))
        self.assertEqual(self.states("lost"), [], "the worker lives")

    def test_crashed_task(self):
        self.plan(stages="z:6", fail="3:-1:-11")
        error = self.fails(self.client)
        self.assertEqual(error.code, 70)
        self.assertIn("task z-3f2a0000-p0-s0-3 killed by SIGSEGV on worker", str(error))
        self.assertEqual(len(self.starts("0-0-3")), 1)

    def test_retries_end(self):
        self.plan(stages="z:6", fail="3:-1:75")
        with mock.patch.object(driver, "RETRY_SECONDS", 0.05):
            error = self.fails(self.client, retries=2)
        self.assertEqual(error.code, 75)
        self.assertIn("z-3f2a0000-p0-s0-3 failed 3 times", str(error))
        self.assertEqual(len(self.starts("0-0-3")), 3)

    def test_poisoned_task(self):
        self.plan(stages="z:400", fail="5:-1:65", seconds=0.05)
        error = self.fails(self.client)
        self.assertEqual(error.code, 65)
        self.assertIn("task z-3f2a0000-p0-s0-5 exit code 65 on worker tcp://", str(error))
        self.assertIn("block 5 of x.npy is bad; look at it with outcore verify", str(error))
        reproduce = str(error).rpartition("reproduce: ")[2]
        again = subprocess.run(shlex.split(reproduce), capture_output=True, text=True)
        self.assertEqual(again.returncode, 65)
        self.assertEqual(set(self.starts("0-0-5")), {"0-0-5.1", "0-0-5.2"}, "the driver ran it once, this test again")
        self.no_task_lives()
        self.assertLess(len(self.starts()), 60, "the rest was cancelled")

    def test_cancelled_tasks_end(self):
        self.plan(stages="z:4", fail="3:-1:65", hang="0:9")
        self.fails(self.client)
        self.assertIn("0-0-0.1", self.starts())
        self.no_task_lives()

    def test_straggler(self):
        self.plan(stages="z:24", hang="2:1")
        with mock.patch.object(driver, "STRAGGLER_SECONDS_MIN", 1.0):
            self.run_job(self.client)
        self.assertEqual(len(self.markers()), 24)
        self.assertIn(2, {event["task"] for event in self.states("backup")})
        self.assertEqual(len(self.starts("0-0-2")), 2)
        both = [event["worker"] for event in self.states("running") if event["task"] == 2]
        self.assertEqual(len(set(both)), 2, "the second copy runs on the other worker")
        self.no_task_lives()

    def test_plan_that_sees_no_markers(self):
        self.plan(stages="z:2", blind=1)
        self.assertIn("still has 0 of 2 tasks done", str(self.fails(self.client)))

    def test_plan_of_another_schema(self):
        self.plan()
        with mock.patch.object(driver, "STEP_SCHEMA", "outcore.step/2"):
            self.assertIn("speaks outcore.step/1", str(self.fails(self.client)))

    def test_no_such_job(self):
        self.folder.mkdir()
        error = self.fails(self.client)
        self.assertEqual(error.code, 66)
        self.assertRegex(str(error), r"no job here\ncommand: \S+ plan --job \S+ --json \(exit code 66\)")

    def test_version_differs(self):
        self.plan()
        with mock.patch.dict(os.environ, FAKE_VERSION="0.2.0"):
            error = self.fails(self.client)
        self.assertEqual(error.code, 78)
        self.assertRegex(str(error), r"worker tcp://\S+ has 'outcore 0.1.0', the driver has 'outcore 0.2.0'; install")
        self.assertEqual(self.starts(), {})

    def test_memory_too_small(self):
        self.plan(peak=2**50)
        error = self.fails(self.client)
        self.assertEqual(error.code, 78)
        self.assertRegex(str(error), r"worker tcp://\S+ has \d+ MiB per task slot .* needs 1073741856 MiB; start workers with")
        self.assertEqual(self.starts(), {})

    def test_folder_not_shared(self):
        self.plan()
        with workers_told(room=lambda room: room.parent / "elsewhere" / room.name):
            error = self.fails(self.client)
        self.assertRegex(str(error), r"worker tcp://\S+ does not see the driver's job folder .*No such file")

        def another_of_that_name(room):
            copy = room.with_name("copy")
            copy.mkdir()
            (copy / "driver").write_text((room / "driver").read_text())
            return copy

        with workers_told(room=another_of_that_name):
            error = self.fails(self.client)
        self.assertRegex(str(error), r"worker tcp://\S+ wrote to .*, but the driver does not see it")

    def test_program_missing_on_worker(self):
        self.plan()
        with workers_told(outcore=lambda outcore: "no-such-program"):
            error = self.fails(self.client)
        self.assertRegex(str(error), r"worker tcp://\S+ cannot: .*no-such-program.*; install outcore 0.1.0 there")

    def test_child_dies_with_worker(self):
        self.plan(stages="z:4", hang="0:1,1:1", seconds=0)
        runner = threading.Thread(target=self.run_job, args=[self.client])
        runner.start()
        pid = wait_for(lambda: self.starts("0-0-0").get("0-0-0.1"), "task 0 started")
        other = wait_for(lambda: self.starts("0-0-1").get("0-0-1.1"), "task 1 started")
        workers = self.client.run(os.getpid)
        lost = next(worker for worker in workers.values() if worker == parent(pid))
        os.kill(lost, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), "the worker's task ended")
        self.assertTrue(is_alive(other), "the other worker's task goes on")
        os.kill(next(worker for worker in workers.values() if worker != lost), signal.SIGKILL)
        runner.join(WAIT_SECONDS_MAX)
        self.assertFalse(runner.is_alive())
        self.assertEqual(len(self.markers()), 4)
        self.assertEqual({event["task"] for event in self.states("lost")}, {0, 1})
        self.assertEqual(len(self.starts("0-0-0")), 2)
        self.no_task_lives()
        self.client.wait_for_workers(2, timeout=WAIT_SECONDS_MAX)


class WorkersKilled(JobCase):
    """A task that takes its worker with it, again and again."""

    def test_it_alone_is_blamed(self):
        self.plan(stages="z:12", slay="3:-1", seconds=0.05)
        settings = {"distributed.scheduler.allowed-failures": 1}
        with (
            dask.config.set(settings),
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
            mock.patch.object(driver, "RETRY_SECONDS", 0.05),
        ):
            error = self.fails(client, retries=1)
        self.assertEqual(error.code, 75)
        self.assertIn("task z-3f2a0000-p0-s0-3 failed 2 times, at last: ", str(error))
        self.assertIn("--task 3", str(error))
        self.assertEqual(len(self.starts("0-0-3")), 2)


class Contract(JobCase):
    """What must hold of the program itself: same output in any order, any number of times, and through kills."""

    PROGRAM = os.environ.get("OUTCORE_PROGRAM", FAKE)
    PLAN = shlex.split(os.environ.get("OUTCORE_PLAN", ""))

    @classmethod
    def setUpClass(cls):
        cls.share_cluster(3)

    def outcore(self, *words):
        fake = {"FAKE_STAGES": "z:14,last stage:5", "FAKE_SECONDS": "0.2"}
        command = [self.PROGRAM, *map(str, words)]
        return subprocess.run(command, env={**os.environ, **fake}, check=True, capture_output=True, text=True).stdout

    def new_job(self, name):
        """A planned job: its folder and the path of its output."""
        folder = self.folder.with_name(name)
        out = folder.with_suffix(".out.npy")
        self.outcore("plan", *[word.replace("{out}", str(out)) for word in self.PLAN], "--job", folder, "--json")
        return folder, out

    def outputs(self, out, printed):
        return out.read_bytes() if out.exists() else printed

    def in_shuffled_order_each_task_twice(self):
        folder, out = self.new_job("alone")
        chance = random.Random(7)
        while (step := json.loads(self.outcore("plan", "--job", folder, "--json").splitlines()[-1]))["state"] == "run":
            order = [*range(step["tasks"])] * 2
            chance.shuffle(order)
            for number in order:
                place = ["--phase", step["phase"], "--stage", step["stage"]]
                self.outcore("task", "--job", folder, *place, "--task", number, "--json")
        return self.outputs(out, self.outcore("finish", "--job", folder))

    def test_same_output(self):
        expected = self.in_shuffled_order_each_task_twice()
        folder, out = self.new_job("together")
        printed = run_job(self.client, folder, self.PROGRAM, on_event=self.events.append)
        self.assertEqual(self.outputs(out, printed), expected)
        self.assertEqual(self.states("lost") + self.states("retry"), [])

        folder, out = self.new_job("killed")
        pids = self.client.run(os.getpid)
        self.events.clear()
        printed = run_job(self.client, folder, self.PROGRAM, on_event=lambda event: self.kill_its_worker(event, pids))
        self.assertEqual(self.outputs(out, printed), expected)
        self.assertNotEqual(self.states("lost"), [], "a task was retried")

    def kill_its_worker(self, event, pids):
        """Kills a worker that has just started a task, until a task was lost by that; a quick task may have ended."""
        self.events.append(event)
        if self.states("done") and event.get("state") == "running" and not self.states("lost"):
            pid = pids.pop(event["worker"], None)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)


class Command(JobCase):
    """`python -m outcore_dask`."""

    def start(self, scheduler="dask:local?workers=2", environment=None, **options):
        words = [sys.executable, "-m", "outcore_dask", "--job", str(self.folder), "--scheduler", scheduler]
        words += ["--outcore", FAKE, *(f"--{name}={value}" for name, value in options.items())]
        child = subprocess.Popen(words, env=environment or FULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.communicate)
        self.addCleanup(child.kill)
        return child

    def test_killed_driver_goes_on(self):
        self.plan(stages="z:24", hang="10:1,11:1")
        child = self.start()
        wait_for(lambda: len(self.markers()) >= 10 and len(self.starts("0-0-1[01]")) == 2, "ten tasks done, two hang")
        workers = {parent(pid) for pid in self.starts("0-0-1[01]").values()}
        self.assertEqual(len(workers), 2)
        child.kill()
        child.communicate()
        wait_for(lambda: not any(map(is_alive, workers)), "the workers ended")
        self.no_task_lives()
        done = len(self.markers())
        before = set(self.starts())

        child = self.start()
        output, errors = child.communicate()
        self.assertEqual(child.returncode, 0, errors)
        self.assertEqual(len(set(self.starts()) - before), 24 - done, "only what was not done ran again")
        lines = output.splitlines()
        events = [json.loads(line) for line in lines[:-24]]
        self.assertEqual((events[0]["event"], events[0]["tasks_done"]), ("stage", done))
        self.assertEqual(events[-1]["event"], "done")
        self.assertEqual("\n".join(lines[-24:]) + "\n", self.finish())

    def finish(self):
        return subprocess.run([FAKE, "finish", "--job", self.folder], check=True, capture_output=True, text=True).stdout

    def test_signals(self):
        for number, code in [(signal.SIGTERM, 143), (signal.SIGINT, 130)]:
            with self.subTest(signal=number.name):
                self.folder = self.folder.with_name(number.name)
                self.plan(stages="z:9", hang="0:9,1:9")
                child = self.start()
                wait_for(lambda: len(self.starts()) >= 2, "two tasks started")
                child.send_signal(number)
                child.communicate(timeout=WAIT_SECONDS_MAX)
                self.assertEqual(child.returncode, code)
                self.no_task_lives()

    def test_usage(self):
        cases = {
            "dask:local?cores=2": "dask:local has no option 'cores'",
            "dask:local?workers=two": "invalid literal",
            "slurm://host": "expected dask://HOST:PORT",
        }
        for scheduler, message in cases.items():
            with self.subTest(scheduler=scheduler), self.assertRaises(ValueError) as caught:
                __main__._cluster(scheduler, None)
            self.assertIn(message, str(caught.exception))
        child = self.start("dask://127.0.0.1:1", **{"worker-ttl": "60s"})
        self.assertIn("--worker-ttl is for dask:local", child.communicate()[1])
        self.assertEqual(child.returncode, 2)
        child = self.start("dask:scheduler-file=/no/such/file")
        self.assertIn("cannot read /no/such/file", child.communicate()[1])
        self.assertEqual(child.returncode, 69)

    def test_scheduler_elsewhere(self):
        """A scheduler and a worker started by others: a job that ends, a driver killed, the scheduler killed."""
        self.plan(stages="z:3")
        file = self.folder.with_name("scheduler.json")
        scheduler, address = self.serve_scheduler(file, FULL)
        self.serve_worker(file, FULL)
        child = self.start(address)
        self.assertIn('"event": "done"', child.communicate()[0])
        self.assertEqual(child.returncode, 0)

        self.folder = self.folder.with_name("another")
        self.plan(stages="z:3", hang="0:9")
        child = self.start(address)
        wait_for(lambda: self.starts("0-0-0"), "task 0 started")
        child.kill()
        self.no_task_lives()

        child = self.start(address)
        wait_for(lambda: len(self.starts("0-0-0")) == 2, "task 0 started again")
        scheduler.kill()
        self.assertIn("run it again, it goes on with what is not done", child.communicate()[1])
        self.assertEqual(child.returncode, 75)
        self.no_task_lives()

        child = self.start(address, {**FULL, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"})
        self.assertIn(f"cannot reach {address}", child.communicate()[1])
        self.assertEqual(child.returncode, 69)

    @unittest.skipIf(find_installed(), "outcore-dask is installed here, so no Dask process can lack it")
    def test_package_missing(self):
        self.plan(stages="z:3")
        file = self.folder.with_name("scheduler.json")
        scheduler, address = self.serve_scheduler(file, BARE)
        worker = self.serve_worker(file, BARE)
        child = self.start(f"dask:scheduler-file={file}")
        self.assertRegex(child.communicate()[1], "the scheduler lacks this package .*pip install outcore-dask==")
        self.assertEqual(child.returncode, 78)
        stop(worker, scheduler)

        scheduler, address = self.serve_scheduler(file, FULL)
        self.serve_worker(file, BARE)
        child = self.start(address)
        self.assertRegex(child.communicate()[1], r"worker tcp://\S+ cannot use this package \(ModuleNotFound.*pip install")
        self.assertEqual(child.returncode, 78)

    def serve_scheduler(self, file, environment):
        file.unlink(missing_ok=True)
        server = self.serve(file, environment, "scheduler", "--port", "0")
        wait_for(lambda: file.exists() and file.read_text().endswith("}"), "scheduler started")
        return server, json.loads(file.read_text())["address"].replace("tcp:", "dask:")

    def serve_worker(self, file, environment):
        return self.serve(file, environment, "worker", "--nthreads", "2")

    def serve(self, file, environment, role, *options):
        words = [sys.executable, "-m", f"distributed.cli.dask_{role}", *options, "--no-dashboard", "--scheduler-file", file]
        server = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL, cwd=file.parent)
        self.addCleanup(stop, server)
        return server


def stop(*servers):
    for server in servers:
        server.terminate()
        server.wait()


class InstantFuture(Future):
    """A future that is done when it is made."""

    def __init__(self, key):
        self.key = key

    status = "finished"

    def add_done_callback(self, callback):
        callback(self)

    def __del__(self):
        pass


class InstantClient:
    """A client whose tasks do nothing; counts how many are known at once."""

    def __init__(self):
        self.most = 0

    def map(self, function, tasks, key, **options):
        self.most = max(self.most, len(tasks))
        return [InstantFuture(name) for name in key]

    def scheduler_info(self):
        return {"services": {}}

    def subscribe_topic(self, topic, handler):
        pass

    def unsubscribe_topic(self, topic):
        pass

    def nthreads(self):
        return {"tcp://one": 2}


class ManyTasks(JobCase):
    """20,000 tasks are a range, never a list."""

    def test_memory_stays_flat(self):
        step = {"job": "3f2a00000000beef", "phase": 0, "stage": 0, "stages": 1, "bytes": 0, "peak_bytes": 0, "name": "z", "tasks": 20_000, "tasks_done": 0, "todo": [[0, 20_000]]}
        client, most, done = InstantClient(), 0, 0
        peaks = {}

        def on_event(event):
            nonlocal most, done
            if event["event"] == "task" and event["state"] == "done":
                done += 1
                most = max(most, len(stage.flights))
                if done in (2_000, 20_000):
                    peaks[done] = tracemalloc.get_traced_memory()[1]

        stage = driver._Stage(client, str(self.folder), FAKE, 3, on_event, step, 2)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        stage.run()
        self.assertEqual(done, 20_000)
        self.assertLessEqual(max(most, client.most), driver.WINDOW_PER_SLOT * 2)
        self.assertLess(peaks[20_000] - peaks[2_000], 64 * 1024)
        self.assertEqual((stage.flights, stage.flight_of), ({}, {}))


class Execute(unittest.TestCase):
    """One child process."""

    def test_keeps_all_of_stdout_and_the_end_of_stderr(self):
        code = "import sys; sys.stdout.write('o' * 300000); sys.stderr.write('e' * 300000 + 'end'); sys.exit(7)"
        ended = task.execute(task.guarded([sys.executable, "-c", code]))
        self.assertEqual((ended.code, len(ended.stdout), len(ended.stderr)), (7, 300000, task.STDERR_BYTES_MAX))
        self.assertTrue(ended.stderr.endswith("end"))

    def test_cancelled(self):
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
        with mock.patch.object(task, "TERM_SECONDS", 0.2):
            ended = task.execute([sys.executable, "-c", code], lambda: True)
        self.assertLess(ended.code, 0)

    def test_dies_with_its_parent_without_setpriv(self):
        code = (
            "from unittest import mock; from outcore_dask import task\n"
            "with mock.patch.object(task, '_has_setpriv', lambda: False):\n"
            "    task.execute(task.guarded(['sh', '-c', 'echo $$ >pid.new; mv pid.new pid; exec sleep 600']))"
        )
        with tempfile.TemporaryDirectory() as folder:
            middle = subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=FULL)
            wait_for((Path(folder) / "pid").exists, "grandchild started")
            pid = int((Path(folder) / "pid").read_text())
            self.assertTrue(is_alive(pid))
            middle.kill()
            middle.wait()
            wait_for(lambda: not is_alive(pid), "grandchild ended")

    def test_words(self):
        cases = {
            "": "",
            "warning\nplain": "warning\nplain",
            '{"error": "no room"}': "no room",
            'x\n{"error": {"message": "no room", "hint": "free some"}}\n': "no room; free some",
            '{"other": 1}': '{"other": 1}',
        }
        for stderr, expected in cases.items():
            self.assertEqual(task.words(stderr), expected)


if __name__ == "__main__":
    unittest.main()
