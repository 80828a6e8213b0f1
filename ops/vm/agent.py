"""Runs commands in the guest: one JSON object a line comes in by the virtio port, one goes back for each.

in   {"argv": [..], "env": {..}, "user": "root" | "rootless", "cgroup": "/sys/fs/cgroup" | null, "timeoutMs": 1000, "maxOutputBytes": 65536}
out  {"status": 0 | null, "signal": 9 | null, "timedOut": false, "stdout": base64, "stderr": base64, "ms": 12}
     {"error": "..."} when the command could not be started

The first line out, {"ready": true}, says that the guest is up.
"""

import base64
import glob
import json
import os
import pwd
import signal
import subprocess
import tempfile
import time

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}


def become(user, cgroup):
    """What the child does before it becomes the command: enters its cgroup, then is that user."""
    account = pwd.getpwnam(user)

    def act():
        if cgroup is not None:
            with open(f"{cgroup}/cgroup.procs", "w") as procs:
                procs.write("0")
        os.setgroups([])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)

    return account.pw_dir, act


def end_of(child, seconds):
    """Waits; a command that takes too long is killed with everything in its session's process group."""
    try:
        child.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return True


def tail(file, most):
    """The last bytes of a file: the end of a test's output says what failed."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most))
    return base64.b64encode(file.read()).decode()


def run(command):
    home, act = become(command["user"], command["cgroup"])
    environment = ENVIRONMENT | {"HOME": home} | command["env"]
    # Files, not pipes: a daemon that keeps them open does not hold up the answer.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.monotonic()
        child = subprocess.Popen(
            command["argv"], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            cwd=home, env=environment, preexec_fn=act, start_new_session=True,
        )
        timed_out = end_of(child, command["timeoutMs"] / 1000)
        took = time.monotonic() - begun
        code = child.returncode
        return {
            "status": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "timedOut": timed_out,
            "stdout": tail(out, command["maxOutputBytes"]),
            "stderr": tail(err, command["maxOutputBytes"]),
            "ms": round(took * 1000),
        }


def answer(port, document):
    port.write(json.dumps(document).encode() + b"\n")
    port.flush()


def serve():
    (path,) = glob.glob("/dev/vport*p1")
    # Opened once: the kernel gives a port to one opener.
    port = os.open(path, os.O_RDWR)
    with open(port, "rb", buffering=0) as incoming, open(os.dup(port), "wb") as outgoing:
        answer(outgoing, {"ready": True})
        for line in lines(incoming):
            try:
                answer(outgoing, run(json.loads(line)))
            except (OSError, KeyError, subprocess.SubprocessError) as error:
                answer(outgoing, {"error": f"{type(error).__name__}: {error}"})


def lines(incoming):
    """Whole lines of the port; it reads as ended while nobody holds the other side."""
    rest = b""
    while True:
        chunk = incoming.read(65536)
        if not chunk:
            time.sleep(0.02)
            continue
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


serve()
