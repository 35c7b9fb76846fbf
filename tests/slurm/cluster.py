"""A real Slurm cluster on loopback: munged, slurmctld and one slurmd for each of four emulated nodes.

Nothing is installed or left: everything lives in a temporary folder and on free ports, as root or
as any other user, and every process ends with the one that started it.
"""

import contextlib
import ctypes
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel", "sinfo")
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

# cred_expire: a requeued job may start once its old credential has expired (120 s by default).
# The NoInAddrAny pair keeps the daemons on loopback. The timeouts make a node's death known soon.
CONFIG = """\
ClusterName=contourfuse
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={controller_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0,bf_interval=1
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
MailProg=/bin/true
TmpFS={folder}/tmp
JobRequeue=1
FirstJobId={first_job}
{requeue_exit}
KillWait=2
MinJobAge=600
MessageTimeout=5
SlurmdTimeout=4
SlurmctldTimeout=10
UnkillableStepTimeout=10
InactiveLimit=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=1000 Gres=gpu:2 State=UNKNOWN"
NODES = ("n0", "n1", "n2", "n3")
# Of a job that will not run again without being told to.
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "DEADLINE"}


def missing_programs():
    """Of Slurm and munge, those that are not installed."""
    return [name for name in PROGRAMS if not shutil.which(name, path=SEARCH_PATH)]


def free_ports(count):
    """Ports on loopback that nothing listens on, below those that the system hands out."""
    ports, held = [], []
    try:
        while len(ports) < count:
            port = random.randrange(12000, 32000)
            probe = socket.socket()
            held.append(probe)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    finally:
        for probe in held:
            probe.close()
    return ports


def end_with_parent():
    """In a child: SIGTERM when the parent is gone, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def wait_until(condition, seconds, what):
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)


def environment_of(pid):
    """A process's environment as it was started with, or {} if it is gone or not ours."""
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def cpu_seconds_of(pid):
    """User and system time of a process, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processes():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


class Cluster:
    """Starts on construction; `stop` ends it. `requeue_exit`: RequeueExit=75 is set."""

    def __init__(self, requeue_exit=True):
        # Short, because a socket's path has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="contourfuse-slurm-"))
        self.requeue_exit = requeue_exit
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.first_job = 1
        self.daemons = {}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))}
        self.environment |= {"HOME": "/nonexistent", "PATH": SEARCH_PATH, "SLURM_CONF": str(self.folder / "slurm.conf")}
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        self.folder.chmod(0o755)
        for name in ("munge", "state", "spool", "log", "tmp", "dev"):
            (self.folder / name).mkdir()
        for node in NODES:
            (self.folder / "spool" / node).mkdir()
        for name in ("nvidia0", "nvidia1"):
            (self.folder / "dev" / name).symlink_to("/dev/null")
        (self.folder / "gres.conf").write_text(f"NodeName={','.join(NODES)} Name=gpu File={self.folder}/dev/nvidia[0-1]\n")
        self.controller_port, *self.node_ports = free_ports(1 + len(NODES))
        self.write_config()
        self._start_munged()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self._wait_for_nodes()

    def write_config(self):
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(NODE.format(name=n, host=host, port=p) for n, p in zip(NODES, self.node_ports))
        (self.folder / "slurm.conf").write_text(CONFIG.format(
            folder=self.folder, host=host, user=self.user, nodes=nodes,
            controller_port=self.controller_port, first_job=self.first_job, requeue_exit="RequeueExit=75" if self.requeue_exit else ""))

    def _daemon(self, name, *command):
        with open(self.folder / "log" / f"{name}.out", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment | {"SLURM_TEST_DAEMON": name}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=end_with_parent)

    def _start_munged(self):
        folder = self.folder / "munge"
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._daemon("munged", "munged", "--foreground", f"--key-file={key}", f"--socket={folder}/socket",
                     f"--pid-file={folder}/pid", f"--log-file={folder}/log", f"--seed-file={folder}/seed")
        wait_until((folder / "socket").exists, 10, "munged's socket")

    def start_controller(self):
        self._daemon("slurmctld", "slurmctld", "-D", "-f", str(self.folder / "slurm.conf"))
        wait_until(lambda: self.command("scontrol", "ping", check=False).returncode == 0, 30, "slurmctld")

    def start_node(self, node):
        self._daemon(node, "slurmd", "-D", "-f", str(self.folder / "slurm.conf"), "-N", node)

    def stop_controller(self):
        """In order: it saves what it knows."""
        daemon = self.daemons.pop("slurmctld")
        daemon.terminate()
        daemon.wait(20)

    def kill(self, name):
        """SIGKILL to a daemon and, if it is a node, to all that runs on it."""
        if name == "slurmctld":
            # It may forget its last jobs; a node that is given their numbers again is drained.
            self.first_job += 1000
            self.write_config()
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait()
        self._kill_processes(lambda environment: name in (environment.get("SLURM_TEST_DAEMON"), environment.get("SLURMD_NODENAME")))

    def _kill_processes(self, chosen):
        """SIGKILL to what this cluster started, by its environment: slurmstepd and jobs outlive their slurmd."""
        for pid in processes():
            environment = environment_of(pid)
            if pid != os.getpid() and environment.get("SLURM_CONF") == self.environment["SLURM_CONF"] and chosen(environment):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def stop(self):
        for daemon in self.daemons.values():
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._kill_processes(lambda _: True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def settle(self):
        """Brings back what was killed, empties the queue and waits for idle nodes."""
        if "slurmctld" not in self.daemons:
            self.start_controller()
        for node in NODES:
            if node not in self.daemons:
                self.start_node(node)
        self.command("scancel", "--user", self.user, check=False)
        wait_until(lambda: not self.command("squeue", "-h").stdout, 30, "an empty queue")
        self._wait_for_nodes()

    def _wait_for_nodes(self):
        try:
            wait_until(lambda: self.node_states() == dict.fromkeys(NODES, "idle"), 30, "four idle nodes")
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.node_states()}\n{self.logs()}") from None

    def set_requeue_exit(self, present):
        """Whether the cluster has RequeueExit=75."""
        self.requeue_exit = present
        self.write_config()
        self.command("scontrol", "reconfigure")
        shown = self.command("scontrol", "show", "config").stdout
        assert bool(re.search(r"^RequeueExit +=.*75", shown, re.MULTILINE)) == present, shown

    def command(self, *words, check=True, environment=None):
        done = subprocess.run([str(w) for w in words], env=self.environment | (environment or {}), text=True, capture_output=True, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def node_states(self):
        done = self.command("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T", check=False)
        return dict(line.split() for line in done.stdout.splitlines())

    def submit(self, *words, **options):
        """The job's number."""
        return int(self.command("sbatch", "--parsable", *words, **options).stdout.split(";")[0])

    def job(self, name):
        """Every element of a job as {field: value} by its name ("7_3"), as scontrol shows it."""
        done = self.command("scontrol", "show", "job", "-o", "-d", name, check=False)
        found = {}
        for line in done.stdout.splitlines():
            fields = dict(re.findall(r"(\S+?)=(\S*)", line))
            if "JobState" not in fields:
                continue
            array, element = fields.get("ArrayJobId"), fields.get("ArrayTaskId")
            found[f"{array}_{element}" if array else fields["JobId"]] = fields
        return found

    def states(self, name):
        return {element: fields["JobState"] for element, fields in self.job(name).items()}

    def restarts(self, name):
        """How often each element was queued again."""
        return [int(fields["Restarts"]) for fields in self.job(name).values()]

    def wait(self, name, seconds=60):
        """The states of a job's elements once all have ended."""
        def ended():
            states = self.states(name)
            return states if states and set(states.values()) <= ENDED else None
        try:
            return wait_until(ended, seconds, f"end of job {name}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.states(name)}\n{self.logs()}") from None

    def busy_process(self, job, element, words, cpu_seconds=0.3, seconds=60):
        """(pid, node) of the process of an array's element with `words` in its command line, once it
        has computed so long: that is, in the middle of something."""
        def found():
            for pid in processes():
                environment = environment_of(pid)
                if (environment.get("SLURM_CONF") == self.environment["SLURM_CONF"]
                        and environment.get("SLURM_ARRAY_JOB_ID") == str(job) and environment.get("SLURM_ARRAY_TASK_ID") == str(element)
                        and words in command_line(pid) and cpu_seconds_of(pid) >= cpu_seconds):
                    return pid, environment["SLURMD_NODENAME"]
            return None
        try:
            return wait_until(found, seconds, f"a busy process of {job}_{element}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.states(job)}") from None

    def logs(self):
        """The end of the controller's log."""
        return (self.folder / "log" / "slurmctld.log").read_text(errors="replace")[-3000:]
