"""Compiled kernels are kept between processes; whatever goes wrong with the files, the kernels work."""

import errno
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest
from conftest import CODE

from fflm.kernels import _ahead, _cache, _jit, scalar, updates

pytestmark = [
    pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled, and nothing cached"),
    pytest.mark.skipif(os.name != "posix", reason="permissions, signals and locks of POSIX"),
]

NOTE = (
    "note: compiled kernels can't be kept ({}), so every use compiles them, which takes some seconds; "
    "set NUMBA_CACHE_DIR to a folder that can be written\n"
)
#: Compiles or reads the five kernels of two modules, uses one, and prints how many were compiled.
COUNT_COMPILED = """
from fflm.kernels import _cache
_cache.PATIENCE = 600.0  # however slow the machine is
from fflm.kernels import hashing, scalar
assert hashing.scramble(0) == 0
kernels = [hashing.scramble, scalar.exp, scalar.tanh, scalar.exp_all, scalar.tanh_all]
for kernel in kernels:
    kernel.ready()
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels))
"""
KERNELS = 5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache for kernels that a test makes in this process."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache.KernelCache, "_told", False)
    monkeypatch.setattr(_cache.KernelCache, "_began", None)
    monkeypatch.setattr(_cache.KernelCache, "_patient", True)
    return tmp_path / "cache"


def compiled_anew(name: str = "twice") -> bool:
    """Make a kernel, always the same of a name; whether it was compiled, not read."""

    def twice(x):
        return 2 * x

    twice.__qualname__ = name
    made = _jit.kernel("int64(int64)")(twice)
    assert made(21) == 42
    return sum(made.stats.cache_misses.values()) == 1


def files(folder, ending):
    return sorted(folder.rglob(f"*{ending}"))


# What the stamp is made of


def test_every_kernel_has_the_stamp_of_all_sources():
    """Numba's stamp is that of a kernel's file; ours must stand before it, in this version of Numba too."""
    for kernel in (scalar.exp_all, updates.sgd):
        kernel.ready()
    stamps = [kernel._cache._cache_file._source_stamp for kernel in (scalar.exp_all, updates.sgd)]
    assert [stamp[0] for stamp in stamps] == [_cache.STAMP] * 2
    assert _cache.stamp_of(Path(_cache.__file__).parent) == _cache.STAMP


def test_the_stamp_is_of_contents_not_of_times(tmp_path):
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "b.py").write_text("2")
    stamp = _cache.stamp_of(tmp_path)
    os.utime(tmp_path / "a.py", (0, 0))
    (tmp_path / "notes.txt").write_text("no source")
    assert _cache.stamp_of(tmp_path) == stamp
    (tmp_path / "b.py").write_text("3")
    assert _cache.stamp_of(tmp_path) != stamp
    (tmp_path / "b.py").write_text("2")
    assert _cache.stamp_of(tmp_path) == stamp
    (tmp_path / "b.py").rename(tmp_path / "c.py")
    assert _cache.stamp_of(tmp_path) != stamp


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_the_stamp_is_of_the_compiler_too(monkeypatch, package):
    monkeypatch.setattr(getattr(_cache, package), "__version__", "0")
    assert _cache.stamp_of(Path(_cache.__file__).parent) != _cache.STAMP


def test_settings_and_processors_have_files_of_their_own(folder, monkeypatch):
    for setting in (0, 1):
        monkeypatch.setattr(numba.config, "BOUNDSCHECK", setting)
        _cache._machine.cache_clear()
        assert compiled_anew()
        assert not compiled_anew()
    _cache._machine.cache_clear()
    assert len(files(folder, ".nbi")) == 2


def test_compiling_is_announced_once_and_only_if_it_takes_long(folder, monkeypatch, capsys):
    assert compiled_anew("a") and compiled_anew("b")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(_cache, "UNSAID", 0.0)
    assert compiled_anew("c") and compiled_anew("d")
    assert capsys.readouterr().err == f"{_cache.COMPILING}\n"
    monkeypatch.setattr(_cache.KernelCache, "_told", False)
    assert not compiled_anew("a") and not compiled_anew("d")
    assert capsys.readouterr().err == ""


# Files that can't be read or written


def test_a_kernel_is_compiled_once(folder, capsys):
    assert compiled_anew()
    assert not compiled_anew()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05", b"damaged", None])
def test_a_damaged_or_missing_file_is_written_again(folder, ending, content, capsys):
    assert compiled_anew()
    (file,) = files(folder, ending)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert compiled_anew()
    assert not compiled_anew()
    assert capsys.readouterr() == ("", "")


def test_a_full_disk_is_told_once(folder, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_cache.IndexDataCacheFile, "save", full)
    assert compiled_anew()
    assert compiled_anew()
    assert capsys.readouterr() == ("", NOTE.format("No space left on device"))


def test_no_standard_error(folder, monkeypatch, capsys):
    monkeypatch.setattr(_cache.IndexDataCacheFile, "save", lambda *arguments: open("/nonexistent/file"))
    monkeypatch.setattr(sys, "stderr", None)
    assert compiled_anew()
    assert capsys.readouterr().out == ""


# Locks


@pytest.fixture
def locked(folder):
    """Another process has locked every kernel of the folder, and does nothing more."""
    assert compiled_anew()
    (lock,) = files(folder, ".lock")
    for file in (*files(folder, ".nbi"), *files(folder, ".nbc")):
        file.unlink()
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'ab'); fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", f"{code}; time.sleep(60)", lock], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_a_process_that_stands_still_is_waited_for_once(locked, monkeypatch):
    monkeypatch.setattr(_cache, "PATIENCE", 0.3)
    begin = time.monotonic()
    assert compiled_anew()
    assert time.monotonic() - begin > 0.3
    assert _cache.KernelCache._patient is False
    monkeypatch.setattr(_cache.time, "sleep", lambda seconds: pytest.fail("waited again"))
    assert not compiled_anew()


def test_a_process_that_was_killed_is_not_waited_for(locked, monkeypatch):
    locked.kill()
    locked.wait()
    monkeypatch.setattr(_cache.time, "sleep", lambda seconds: pytest.fail("waited"))
    assert compiled_anew()


def test_what_another_process_compiles_is_taken_as_soon_as_it_is_there(locked, folder, monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "other"))
    assert compiled_anew()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder))

    def other_process_ends(seconds):
        shutil.copytree(tmp_path / "other", folder, dirs_exist_ok=True)

    monkeypatch.setattr(_cache.time, "sleep", other_process_ends)
    monkeypatch.setattr(_cache.KernelCache, "spans", [])
    assert not compiled_anew()
    assert len(_cache.KernelCache.spans) == 1  # to wait counts as to compile


def test_a_file_system_without_locks(folder, monkeypatch):
    import fcntl

    def impossible(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", impossible)
    assert compiled_anew()
    assert not compiled_anew()


# Help


def test_a_second_process_knows_kernels_by_their_names():
    """Each is compiled when it is asked for; those that another one needs come with it."""
    kernels = [
        getattr(importlib.import_module(f"fflm.kernels.{module}"), name)
        for module, names in _ahead.NEEDED.items()
        for name in names
    ]
    assert len(set(kernels)) == len(kernels) > 20 and all(hasattr(kernel, "ready") for kernel in kernels)


@pytest.mark.parametrize("kept", [True, False])
def test_help_is_asked_for_once_and_only_where_it_can_be_kept(folder, monkeypatch, kept):
    started = []
    monkeypatch.setattr(_cache._ahead, "start", lambda: started.append(1))
    monkeypatch.setattr(_cache.KernelCache, "_helped", False)
    monkeypatch.setattr(_cache, "UNHELPED", 0.0)
    if not kept:
        monkeypatch.setattr(_cache.KernelCache, "_lock", lambda cache: False)
    assert compiled_anew("a") and compiled_anew("b")
    assert len(started) == kept


# Kernels that are called late


def test_a_kernel_is_compiled_at_its_first_call_and_refuses_other_types(folder):
    made = _jit.kernel("int64(int64[::1])")(lambda x: x[0] + 1)
    assert not made.signatures
    with pytest.raises(TypeError, match="No matching definition"):
        made(np.zeros(1, np.float32))
    assert made(np.array([41])) == 42 and len(made.signatures) == 1
    with pytest.raises(TypeError, match="No matching definition"):
        made(np.array([[41]]))


def test_a_kernel_that_another_calls_has_its_own_signature(folder):
    inner = _jit.kernel("int64(int64)")(lambda x: x // 2)
    outer = _jit.kernel("int64(float64)")(lambda x: inner(np.int64(x)) + inner(np.int32(x)))
    assert outer(9.0) == 8
    assert [str(signature[0]) for signature in inner.signatures] == ["int64"]


def test_threads_that_need_one_kernel_compile_it_once(folder):
    made = _jit.kernel("int64(int64)")(lambda x: 2 * x)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(made, range(8))) == [2 * i for i in range(8)]
    assert sum(made.stats.cache_misses.values()) == 1


# Processes of their own


@pytest.fixture
def installed(tmp_path):
    """A copy of the package, without compiled kernels."""
    site = tmp_path / "site"
    shutil.copytree(CODE / "fflm", site / "fflm", ignore=shutil.ignore_patterns("__pycache__"))
    return site


def start(site, *before, home="/nonexistent", code=COUNT_COMPILED, **variables):
    """A process that has `site` and no other cache than what lies there or in its home."""
    dropped = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONUNBUFFERED")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"PYTHONPATH": str(site), "HOME": str(home), "FFLM_COMPILE_ALONE": "1"} | variables
    command = [*before, sys.executable, "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, cwd=site, stdout=pipe, stderr=pipe, encoding="utf-8")


def outcome(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out.strip(), err.replace(f"{_cache.COMPILING}\n", "")  # slow machines have to say so


def test_a_package_that_is_installed_again_is_not_compiled_again(installed, tmp_path):
    assert outcome(start(installed)) == (0, str(KERNELS), "")
    for path in installed.rglob("*.py"):
        os.utime(path, (0, 0))
    assert outcome(start(installed)) == (0, "0", "")
    with open(installed / "fflm" / "kernels" / "windows.py", "a") as file:
        file.write("# a change in another file\n")
    assert outcome(start(installed)) == (0, str(KERNELS), "")


def test_eight_processes_on_an_empty_cache(installed, tmp_path):
    """All come out well, and each kernel is compiled by one of them."""
    processes = [start(installed, NUMBA_CACHE_DIR=str(tmp_path / "cache")) for _ in range(8)]
    outcomes = [outcome(process) for process in processes]
    assert [(code, err) for code, _, err in outcomes] == [(0, "")] * 8
    assert sum(int(out) for _, out, _ in outcomes) == KERNELS


def test_a_process_killed_while_it_compiles(installed, tmp_path):
    cache = tmp_path / "cache"
    first = start(installed, NUMBA_CACHE_DIR=str(cache))
    while not files(cache, ".lock"):
        assert first.poll() is None
        time.sleep(0.01)
    others = [start(installed, NUMBA_CACHE_DIR=str(cache)) for _ in range(2)]
    first.send_signal(signal.SIGKILL)
    assert outcome(first)[0] == -signal.SIGKILL
    assert [outcome(process)[::2] for process in others] == [(0, "")] * 2
    assert outcome(start(installed, NUMBA_CACHE_DIR=str(cache))) == (0, "0", "")


def unprivileged() -> list[str]:
    """The begin of a command line, with which a process may read all that we may, and write nothing of ours."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to be another user")
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    command += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    probe = subprocess.run([*command, sys.executable, "-c", "import numba"], capture_output=True)
    if probe.returncode:
        pytest.skip("root may write everywhere, and setpriv may not start a process as another user")
    return command


@pytest.fixture
def read_only(installed):
    """Make the copy of the package read-only, on call; writable again after the test."""

    def change(mode):
        for path in (installed, *installed.rglob("*")):
            if path.is_dir():
                path.chmod(mode)

    yield lambda: change(0o555)
    change(0o755)


def test_nothing_can_be_kept(installed, read_only):
    """An installation that can't be written and a user without a home: it works, and says so once."""
    read_only()
    note = NOTE.format("no folder for them can be written")
    assert outcome(start(installed, *unprivileged())) == (0, str(KERNELS), note)


def test_a_cache_that_can_only_be_read(installed, read_only, tmp_path):
    """A container's image has it; it serves users with a home and users without one."""
    assert outcome(start(installed)) == (0, str(KERNELS), "")
    read_only()
    assert outcome(start(installed, *unprivileged())) == (0, "0", "")
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    assert outcome(start(installed, *unprivileged(), home=home)) == (0, "0", "")


def test_a_home_is_used_where_the_installation_can_only_be_read(installed, read_only, tmp_path):
    read_only()
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    assert outcome(start(installed, *unprivileged(), home=home)) == (0, str(KERNELS), "")
    assert outcome(start(installed, *unprivileged(), home=home)) == (0, "0", "")


def test_byte_code_alone(installed):
    """Without sources nothing could tell when a kernel has changed: it is compiled each time."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-b", installed / "fflm"], check=True)
    for path in installed.rglob("*.py"):
        path.unlink()
    assert outcome(start(installed)) == (0, str(KERNELS), NOTE.format("no folder for them can be written"))


def test_seconds_of_compiling(monkeypatch):
    """A kernel that is compiled while another is does not count twice, nor what was compiled before."""
    monkeypatch.setattr(_cache.KernelCache, "spans", [(12.0, 14.0), (11.0, 15.0), (20.0, 21.0), (1.0, 3.0)])
    assert _cache.compile_seconds(0.0) == 2.0 + 4.0 + 1.0
    assert _cache.compile_seconds(14.5) == 0.5 + 1.0
    assert _cache.compile_seconds(30.0) == 0.0
