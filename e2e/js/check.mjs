// Drives a server that claims to speak E2B's protocol with E2B's own
// JavaScript SDK, unmodified. The SDK takes E2B_API_KEY, E2B_API_URL and
// E2B_SANDBOX_URL from the environment; GIT_REMOTE_URL, GIT_REMOTE_USERNAME and
// GIT_REMOTE_PASSWORD name a password-protected git repository with a branch
// "main" that holds README.md, and that may be written to.

import assert from "node:assert/strict";
import {
  AuthenticationError,
  CommandExitError,
  FileNotFoundError,
  FilesystemEventType,
  FileType,
  GitAuthError,
  GitUpstreamError,
  InvalidArgumentError,
  NotFoundError,
  Sandbox,
  SandboxNotFoundError,
  TimeoutError,
} from "e2b";

let passed = 0;
let failed = 0;

async function check(name, body) {
  const start = performance.now();
  const deadline = new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Error("no result within 60 s")), 60_000);
    timer.unref();
  });
  try {
    await Promise.race([body(), deadline]);
    passed++;
    console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms)`);
  } catch (err) {
    failed++;
    console.log(`FAIL  ${name}: ${err?.stack ?? err}`);
    if (err instanceof CommandExitError) {
      console.log(`      stdout: ${err.stdout}\n      stderr: ${err.stderr}`);
    }
  }
}

// signal is a promise with its resolver outside, for what callbacks announce.
function signal() {
  let resolve;
  const promise = new Promise((r) => (resolve = r));
  return { promise, resolve };
}

// eventually asks until the answer is yes.
async function eventually(ask, what) {
  const deadline = performance.now() + 10_000;
  while (!(await ask())) {
    assert.ok(performance.now() < deadline, `within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function collect(paginator) {
  const items = [];
  while (paginator.hasNext) items.push(...(await paginator.nextItems()));
  return items;
}

const git = {
  url: process.env.GIT_REMOTE_URL,
  username: process.env.GIT_REMOTE_USERNAME,
  password: process.env.GIT_REMOTE_PASSWORD,
};
for (const [name, value] of Object.entries(git)) assert.ok(value, `GIT_REMOTE_${name.toUpperCase()} is not set`);
const credentials = { username: git.username, password: git.password };
const run = `check-${process.pid}-${Date.now()}`;

const sandboxes = [];
function owned(sandbox) {
  sandboxes.push(sandbox);
  return sandbox;
}

const sbx = owned(
  await Sandbox.create({
    metadata: { run, "a b": "c&d=é%" },
    envs: { FROM_CREATE: "created" },
    timeoutMs: 120_000,
  }),
);

// ---------------------------------------------------------------- sandboxes

await check("create: ID, host and version", async () => {
  assert.match(sbx.sandboxId, /^i[a-z0-9]{20}$/);
  assert.match(sbx.getHost(3000), new RegExp(`^3000-${sbx.sandboxId}\\.`));
});

await check("create: an unknown key is refused", async () => {
  await assert.rejects(Sandbox.create({ apiKey: "e2b_0123456789abcdef" }), AuthenticationError);
  await assert.rejects(Sandbox.create({ apiKey: "not a key" }), AuthenticationError);
});

await check("create: an unknown template is refused", async () => {
  await assert.rejects(Sandbox.create("no-such-template:v1"), (err) => err.statusCode === 404);
});

await check("create: a timeout that is no lifetime is refused", async () => {
  await assert.rejects(Sandbox.create({ timeoutMs: 0 }), (err) => err.statusCode === 400);
});

await check("getInfo: what was asked for", async () => {
  const info = await sbx.getInfo();
  assert.equal(info.sandboxId, sbx.sandboxId);
  assert.equal(info.state, "running");
  assert.deepEqual(info.metadata, { run, "a b": "c&d=é%" });
  assert.deepEqual(info.lifecycle, { onTimeout: "kill", autoResume: false });
  assert.equal(info.endAt - info.startedAt, 120_000);
  assert.ok(info.cpuCount > 0 && info.memoryMB > 0);
  await assert.rejects(Sandbox.getInfo("i00000000000000000000"), SandboxNotFoundError);
});

await check("isRunning", async () => {
  assert.equal(await sbx.isRunning(), true);
});

await check("setTimeout: longer and shorter", async () => {
  await sbx.setTimeout(600_000);
  const longer = (await sbx.getInfo()).endAt - Date.now();
  assert.ok(longer > 590_000 && longer <= 601_000, `ends in ${longer} ms`);
  await sbx.setTimeout(90_000);
  const shorter = (await sbx.getInfo()).endAt - Date.now();
  assert.ok(shorter > 80_000 && shorter <= 91_000, `ends in ${shorter} ms`);
  await assert.rejects(Sandbox.setTimeout("i00000000000000000000", 1000), SandboxNotFoundError);
});

await check("connect: extends, never shortens", async () => {
  const again = await Sandbox.connect(sbx.sandboxId, { timeoutMs: 1000 });
  assert.equal(again.sandboxId, sbx.sandboxId);
  assert.ok((await again.getInfo()).endAt - Date.now() > 60_000);
  await again.connect({ timeoutMs: 300_000 });
  assert.ok((await again.getInfo()).endAt - Date.now() > 290_000);
  assert.equal((await again.commands.run("echo joined")).stdout, "joined\n");
  await assert.rejects(Sandbox.connect("i00000000000000000000"), SandboxNotFoundError);
});

await check("list: metadata filter", async () => {
  const found = await collect(Sandbox.list({ query: { metadata: { run, "a b": "c&d=é%" } } }));
  assert.deepEqual(
    found.map((s) => s.sandboxId),
    [sbx.sandboxId],
  );
  assert.deepEqual(await collect(Sandbox.list({ query: { metadata: { run, "a b": "other" } } })), []);
});

await check("list: pages, order, state", async () => {
  const more = [];
  for (let i = 0; i < 2; i++) more.push(owned(await Sandbox.create({ metadata: { run, page: "yes" } })));
  const paginator = Sandbox.list({ limit: 1, query: { metadata: { run, page: "yes" }, state: ["running"] } });
  const first = await paginator.nextItems();
  assert.equal(first.length, 1);
  assert.equal(paginator.hasNext, true);
  const rest = await collect(paginator);
  assert.deepEqual(
    [...first, ...rest].map((s) => s.sandboxId),
    more.map((s) => s.sandboxId).reverse(),
  );
  const oldest = await collect(Sandbox.list({ limit: 1, order: "asc", query: { metadata: { run, page: "yes" } } }));
  assert.deepEqual(
    oldest.map((s) => s.sandboxId),
    more.map((s) => s.sandboxId),
  );
  for (const s of more) assert.equal(await s.kill(), true);
  assert.deepEqual(await collect(Sandbox.list({ query: { metadata: { page: "yes" } } })), []);
});

await check("kill: once, then not found", async () => {
  const short = owned(await Sandbox.create());
  assert.equal(await short.kill(), true);
  assert.equal(await short.kill(), false);
  assert.equal(await short.isRunning(), false);
  await assert.rejects(short.commands.run("true"), /not found|not running|timeout/i);
  await assert.rejects(short.files.read("x"), TimeoutError);
});

await check("pause and resume keep files and processes", async () => {
  const paused = owned(await Sandbox.create({ metadata: { run, paused: "yes" } }));
  await paused.files.write("kept.txt", "kept");
  const sleeper = await paused.commands.run("sleep 1000", { background: true, timeoutMs: 0 });
  await sleeper.disconnect();
  assert.equal(await paused.pause(), true);
  assert.equal(await paused.pause(), false);
  assert.equal(await paused.isRunning(), false);
  assert.equal((await paused.getInfo()).state, "paused");
  const listed = await collect(Sandbox.list({ query: { metadata: { paused: "yes" }, state: ["paused"] } }));
  assert.deepEqual(
    listed.map((s) => s.sandboxId),
    [paused.sandboxId],
  );
  await assert.rejects(paused.files.read("kept.txt"), TimeoutError);
  const resumed = await Sandbox.connect(paused.sandboxId);
  assert.equal(await resumed.isRunning(), true);
  assert.equal(await resumed.files.read("kept.txt"), "kept");
  assert.ok((await resumed.commands.list()).some((p) => p.pid === sleeper.pid));
  assert.equal(await resumed.commands.kill(sleeper.pid), true);
  assert.equal(await resumed.kill(), true);
});

await check("auto-resume: a request wakes the sandbox", async () => {
  const lazy = owned(await Sandbox.create({ lifecycle: { onTimeout: "pause", autoResume: true } }));
  assert.deepEqual((await lazy.getInfo()).lifecycle, { onTimeout: "pause", autoResume: true });
  assert.equal(await lazy.pause(), true);
  assert.equal((await lazy.commands.run("echo awake")).stdout, "awake\n");
  assert.equal((await lazy.getInfo()).state, "running");
  await lazy.kill();
});

await check("network rules", async () => {
  await sbx.updateNetwork({ allowOut: ["example.com"], denyOut: ["0.0.0.0/0"] });
  const { network } = await sbx.getInfo();
  assert.deepEqual(network.allowOut, ["example.com"]);
  assert.deepEqual(network.denyOut, ["0.0.0.0/0"]);
  await assert.rejects(sbx.updateNetwork({ allowOut: ["example.com"] }), (err) => err.statusCode === 400);
  await sbx.updateNetwork({});
});

await check("metrics", async () => {
  const metrics = await sbx.getMetrics();
  assert.ok(metrics.length >= 1);
  const m = metrics.at(-1);
  assert.ok(m.cpuCount > 0 && m.memTotal > 0 && m.diskTotal > 0);
  assert.ok(Math.abs(m.timestamp - Date.now()) < 60_000);
});

await check("snapshot: create from it, list, delete", async () => {
  await sbx.files.write("in-snapshot.txt", "snap");
  const name = `snap-${run}`;
  const snapshot = await sbx.createSnapshot({ name });
  assert.ok(snapshot.snapshotId);
  const listed = await collect(sbx.listSnapshots());
  assert.ok(listed.some((s) => s.snapshotId === snapshot.snapshotId));
  const copy = owned(await Sandbox.create(snapshot.snapshotId));
  assert.equal(await copy.files.read("in-snapshot.txt"), "snap");
  await copy.files.write("in-snapshot.txt", "changed");
  assert.equal(await sbx.files.read("in-snapshot.txt"), "snap");
  await copy.kill();
  assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId), true);
  assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId), false);
  await assert.rejects(Sandbox.create(snapshot.snapshotId), (err) => err.statusCode === 404);
});

await check("fork: copies that live on their own", async () => {
  await sbx.files.write("forked.txt", "original");
  const copies = await sbx.fork({ count: 2, timeoutMs: 60_000 });
  assert.equal(copies.length, 2);
  for (const copy of copies) {
    assert.ok(copy instanceof Sandbox, String(copy));
    owned(copy);
  }
  assert.equal(new Set([sbx, ...copies].map((s) => s.sandboxId)).size, 3);
  await copies[0].files.write("forked.txt", "copy");
  assert.equal(await copies[1].files.read("forked.txt"), "original");
  assert.equal(await sbx.files.read("forked.txt"), "original");
  for (const copy of copies) await copy.kill();
});

// ----------------------------------------------------------------- commands

await check("commands: output and exit code", async () => {
  const result = await sbx.commands.run("echo out; echo err >&2");
  assert.deepEqual(
    { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr },
    { exitCode: 0, stdout: "out\n", stderr: "err\n" },
  );
});

await check("commands: a non-zero exit", async () => {
  await assert.rejects(sbx.commands.run("echo out; echo err >&2; exit 3"), (err) => {
    assert.ok(err instanceof CommandExitError);
    assert.equal(err.exitCode, 3);
    assert.equal(err.stdout, "out\n");
    assert.equal(err.stderr, "err\n");
    assert.equal(err.error, "exit status 3");
    return true;
  });
});

await check("commands: a missing program is exit code 127", async () => {
  await assert.rejects(sbx.commands.run("no-such-program-here"), (err) => {
    assert.ok(err instanceof CommandExitError);
    return err.exitCode === 127;
  });
});

await check("commands: callbacks while it runs", async () => {
  const seen = [];
  const first = signal();
  const handle = await sbx.commands.run("echo one; echo two >&2; read line; echo $line", {
    background: true,
    stdin: true,
    onStdout: (data) => {
      seen.push(["out", data]);
      first.resolve();
    },
    onStderr: (data) => {
      seen.push(["err", data]);
    },
  });
  await first.promise;
  assert.equal(handle.exitCode, undefined);
  await handle.sendStdin("three\n");
  await handle.wait();
  assert.deepEqual(seen.filter(([k]) => k === "out").map(([, d]) => d).join(""), "one\nthree\n");
  assert.deepEqual(seen.filter(([k]) => k === "err").map(([, d]) => d).join(""), "two\n");
});

await check("commands: environment", async () => {
  const { stdout } = await sbx.commands.run('echo "$FROM_CREATE $FROM_CALL $E2B_SANDBOX $E2B_SANDBOX_ID"', {
    envs: { FROM_CALL: "called" },
  });
  assert.equal(stdout, `created called true ${sbx.sandboxId}\n`);
});

await check("commands: working directory", async () => {
  await sbx.files.makeDir("some/dir");
  assert.equal((await sbx.commands.run('basename "$PWD"', { cwd: "some/dir" })).stdout, "dir\n");
  assert.equal((await sbx.commands.run('basename "$PWD"', { cwd: "/home/user/some/dir" })).stdout, "dir\n");
  assert.equal((await sbx.commands.run('basename "$PWD"', { cwd: "~/some" })).stdout, "some\n");
  await assert.rejects(sbx.commands.run("true", { cwd: "no/such/dir" }), (err) => {
    assert.ok(err instanceof InvalidArgumentError);
    return /does not exist/.test(err.message);
  });
});

await check("commands: user", async () => {
  assert.equal((await sbx.commands.run('echo "$USER"')).stdout, "user\n");
  assert.equal((await sbx.commands.run('echo "$USER"', { user: "root" })).stdout, "root\n");
  await assert.rejects(sbx.commands.run("true", { user: "no-such-user" }), AuthenticationError);
});

await check("commands: stdin until it is closed", async () => {
  const handle = await sbx.commands.run("wc -c", { background: true, stdin: true });
  await handle.sendStdin("hello ");
  await sbx.commands.sendStdin(handle.pid, new Uint8Array([0, 255, 10]));
  await handle.closeStdin();
  assert.equal((await handle.wait()).stdout.trim(), "9");
});

await check("commands: no stdin is an empty one", async () => {
  assert.equal((await sbx.commands.run("cat; echo done")).stdout, "done\n");
});

await check("commands: kill", async () => {
  const handle = await sbx.commands.run("exec sleep 1000", { background: true });
  assert.equal(await handle.kill(), true);
  await assert.rejects(handle.wait(), (err) => {
    assert.ok(err instanceof CommandExitError);
    assert.equal(err.exitCode, -1);
    return err.error === "signal: killed";
  });
  assert.equal(await sbx.commands.kill(999_999_999), false);
});

await check("commands: list", async () => {
  const handle = await sbx.commands.run("exec sleep 1001", { background: true, envs: { LISTED: "yes" }, cwd: "some" });
  const info = (await sbx.commands.list()).find((p) => p.pid === handle.pid);
  assert.equal(info.cmd, "/bin/bash");
  assert.deepEqual(info.args, ["-l", "-c", "exec sleep 1001"]);
  assert.deepEqual(info.envs, { LISTED: "yes" });
  await handle.kill();
  await assert.rejects(handle.wait());
  assert.ok(!(await sbx.commands.list()).some((p) => p.pid === handle.pid));
});

await check("commands: reconnect to what runs", async () => {
  const handle = await sbx.commands.run("read a; echo got $a; exit 4", { background: true, stdin: true });
  await handle.disconnect();
  const joined = await sbx.commands.connect(handle.pid);
  assert.equal(joined.pid, handle.pid);
  await joined.sendStdin("it\n");
  await assert.rejects(joined.wait(), (err) => err.exitCode === 4 && err.stdout === "got it\n");
  await assert.rejects(sbx.commands.connect(999_999_999), NotFoundError);
});

await check("commands: the end can be had after it", async () => {
  const handle = await sbx.commands.run("exit 5", { background: true });
  await assert.rejects(handle.wait(), (err) => err.exitCode === 5);
  const late = await sbx.commands.connect(handle.pid);
  await assert.rejects(late.wait(), (err) => err.exitCode === 5);
});

await check("commands: timeout", async () => {
  const start = performance.now();
  await assert.rejects(sbx.commands.run("echo before; exec sleep 30", { timeoutMs: 400 }), TimeoutError);
  assert.ok(performance.now() - start < 10_000);
  await eventually(
    async () => !(await sbx.commands.list()).some((p) => p.args.some((a) => a.includes("echo before"))),
    "the process is gone",
  );
});

await check("commands: much output", async () => {
  const { stdout } = await sbx.commands.run("head -c 3000000 /dev/zero | tr '\\0' x");
  assert.equal(stdout.length, 3_000_000);
});

await check("commands: an argument that is too long", async () => {
  await assert.rejects(sbx.commands.run(`: ${"x".repeat(200_000)}`), (err) => {
    assert.ok(err instanceof InvalidArgumentError);
    return /argument list too long/.test(err.message);
  });
});

await check("pty: a terminal that echoes, resizes and dies", async () => {
  let text = "";
  const waiting = [];
  const decoder = new TextDecoder();
  const until = (needle) =>
    new Promise((resolve) => {
      if (text.includes(needle)) resolve();
      else waiting.push({ needle, resolve });
    });
  const pty = await sbx.pty.create({
    cols: 90,
    rows: 30,
    onData: (data) => {
      text += decoder.decode(data, { stream: true });
      for (const w of waiting) if (text.includes(w.needle)) w.resolve();
    },
  });
  const send = (line) => sbx.pty.sendInput(pty.pid, new TextEncoder().encode(line));
  await send("echo size-$(stty size | tr ' ' x)\n");
  await until("size-30x90");
  await sbx.pty.resize(pty.pid, { cols: 100, rows: 40 });
  await send("echo size-$(stty size | tr ' ' x)\n");
  await until("size-40x100");
  await send("echo $((6*7))-$TERM\n");
  await until("42-xterm-256color");
  assert.equal(await sbx.pty.kill(pty.pid), true);
  await assert.rejects(pty.wait(), CommandExitError);
});

// -------------------------------------------------------------------- files

await check("files: text", async () => {
  const info = await sbx.files.write("notes/a.txt", "häß\n");
  assert.equal(info.name, "a.txt");
  assert.equal(info.path, "/home/user/notes/a.txt");
  assert.equal(info.type, "file");
  assert.equal(await sbx.files.read("notes/a.txt"), "häß\n");
  assert.equal(await sbx.files.read("/home/user/notes/a.txt"), "häß\n");
  assert.equal((await sbx.commands.run("cat notes/a.txt")).stdout, "häß\n");
  await sbx.files.write("notes/a.txt", "");
  assert.equal(await sbx.files.read("notes/a.txt"), "");
});

await check("files: bytes, blobs and streams", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  await sbx.files.write("bytes.bin", bytes.buffer);
  assert.deepEqual(await sbx.files.read("bytes.bin", { format: "bytes" }), bytes);
  await sbx.files.write("blob.bin", new Blob([bytes, bytes]));
  const blob = await sbx.files.read("blob.bin", { format: "blob" });
  assert.equal(blob.size, 512);
  const stream = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 64; i++) controller.enqueue(new Uint8Array(16_384).fill(i));
      controller.close();
    },
  });
  await sbx.files.write("stream.bin", stream);
  let total = 0;
  for await (const chunk of await sbx.files.read("stream.bin", { format: "stream" })) total += chunk.length;
  assert.equal(total, 1_048_576);
});

await check("files: gzip both ways", async () => {
  const text = "compressible ".repeat(10_000);
  await sbx.files.write("zipped.txt", text, { gzip: true });
  assert.equal(await sbx.files.read("zipped.txt", { gzip: true }), text);
  assert.equal((await sbx.files.getInfo("zipped.txt")).size, 130_000);
});

await check("files: several at once", async () => {
  const written = await sbx.files.writeFiles([
    { path: "many/one.txt", data: "1" },
    { path: "many/sub/two.txt", data: new Blob(["22"]) },
    { path: "/home/user/many/three.txt", data: "333" },
  ]);
  assert.deepEqual(
    written.map((w) => w.path),
    ["/home/user/many/one.txt", "/home/user/many/sub/two.txt", "/home/user/many/three.txt"],
  );
  assert.equal(await sbx.files.read("many/sub/two.txt"), "22");
  assert.deepEqual(await sbx.files.write([]), []);
});

await check("files: metadata", async () => {
  const info = await sbx.files.write("tagged.txt", "x", { metadata: { owner: "ci", stage: "1" } });
  assert.deepEqual(info.metadata, { owner: "ci", stage: "1" });
  assert.deepEqual((await sbx.files.getInfo("tagged.txt")).metadata, { owner: "ci", stage: "1" });
  await sbx.files.write("tagged.txt", "y");
  assert.equal((await sbx.files.getInfo("tagged.txt")).metadata, undefined);
});

await check("files: getInfo and exists", async () => {
  await sbx.files.write("info.txt", "12345");
  await sbx.commands.run("chmod 640 info.txt && ln -sfn info.txt link.txt");
  const info = await sbx.files.getInfo("info.txt");
  assert.equal(info.type, FileType.FILE);
  assert.equal(info.size, 5);
  assert.equal(info.mode, 0o640);
  assert.equal(info.permissions, "-rw-r-----");
  assert.ok(info.owner && info.group);
  assert.ok(Math.abs(info.modifiedTime - Date.now()) < 60_000);
  const link = await sbx.files.getInfo("link.txt");
  assert.equal(link.symlinkTarget, "/home/user/info.txt");
  assert.equal(link.size, 5);
  assert.equal(await sbx.files.exists("info.txt"), true);
  assert.equal(await sbx.files.exists("missing.txt"), false);
  await assert.rejects(sbx.files.getInfo("missing.txt"), FileNotFoundError);
});

await check("files: read what is not there, or is a directory", async () => {
  await assert.rejects(sbx.files.read("missing.txt"), FileNotFoundError);
  await assert.rejects(sbx.files.read("many"), InvalidArgumentError);
  await assert.rejects(sbx.files.write("many", "x"), InvalidArgumentError);
  await assert.rejects(sbx.files.read("info.txt", { user: "no-such-user" }), AuthenticationError);
});

await check("files: makeDir", async () => {
  assert.equal(await sbx.files.makeDir("made/deep"), true);
  assert.equal(await sbx.files.makeDir("made/deep"), false);
  assert.equal((await sbx.files.getInfo("made/deep")).type, FileType.DIR);
  await assert.rejects(sbx.files.makeDir("info.txt"), InvalidArgumentError);
});

await check("files: list, with depth", async () => {
  const flat = await sbx.files.list("many");
  assert.deepEqual(flat.map((e) => e.name).sort(), ["one.txt", "sub", "three.txt"]);
  assert.equal(flat.find((e) => e.name === "sub").type, FileType.DIR);
  const deep = await sbx.files.list("many", { depth: 2 });
  assert.deepEqual(deep.map((e) => e.path).sort(), [
    "/home/user/many/one.txt",
    "/home/user/many/sub",
    "/home/user/many/sub/two.txt",
    "/home/user/many/three.txt",
  ]);
  await assert.rejects(sbx.files.list("nowhere"), FileNotFoundError);
  await assert.rejects(sbx.files.list("info.txt"), InvalidArgumentError);
});

await check("files: rename", async () => {
  const info = await sbx.files.rename("many/one.txt", "moved/to/uno.txt");
  assert.equal(info.path, "/home/user/moved/to/uno.txt");
  assert.equal(await sbx.files.read("moved/to/uno.txt"), "1");
  assert.equal(await sbx.files.exists("many/one.txt"), false);
  await assert.rejects(sbx.files.rename("missing.txt", "x"), FileNotFoundError);
});

await check("files: remove", async () => {
  await sbx.files.remove("many");
  assert.equal(await sbx.files.exists("many/sub/two.txt"), false);
  await sbx.files.remove("many");
});

await check("files: watchDir", async () => {
  await sbx.files.makeDir("watched/sub");
  const events = [];
  const waiting = [];
  const until = (name, type) =>
    new Promise((resolve) => {
      const found = () => events.find((e) => e.name === name && e.type === type);
      if (found()) resolve(found());
      else waiting.push(() => found() && resolve(found()));
    });
  const exited = signal();
  const handle = await sbx.files.watchDir(
    "watched",
    (event) => {
      events.push(event);
      for (const w of waiting) w();
    },
    { recursive: true, includeEntry: true, onExit: exited.resolve },
  );
  await sbx.files.write("watched/new.txt", "n");
  const created = await until("new.txt", FilesystemEventType.CREATE);
  assert.equal(created.entry?.path ?? "/home/user/watched/new.txt", "/home/user/watched/new.txt");
  await until("new.txt", FilesystemEventType.WRITE);
  await sbx.files.write("watched/sub/deep.txt", "d");
  await until("sub/deep.txt", FilesystemEventType.CREATE);
  await sbx.commands.run("chmod 600 watched/new.txt");
  await until("new.txt", FilesystemEventType.CHMOD);
  await sbx.files.rename("watched/new.txt", "elsewhere.txt");
  await until("new.txt", FilesystemEventType.RENAME);
  await sbx.files.remove("watched/sub/deep.txt");
  await until("sub/deep.txt", FilesystemEventType.REMOVE);
  await handle.stop();
  await exited.promise;
  await assert.rejects(
    sbx.files.watchDir("nowhere", () => {}),
    FileNotFoundError,
  );
});

await check("files: signed URLs", async () => {
  const up = await sbx.uploadUrl("signed.txt", { useSignatureExpiration: 60 });
  const form = new FormData();
  form.append("file", new Blob(["by url"]), "signed.txt");
  const uploaded = await fetch(up, { method: "POST", body: form });
  assert.equal(uploaded.status, 200, await uploaded.clone().text());
  const down = await sbx.downloadUrl("signed.txt", { user: "user" });
  const downloaded = await fetch(down);
  assert.equal(downloaded.status, 200);
  assert.equal(await downloaded.text(), "by url");
  assert.equal((await fetch(up)).status, 401);
  const forged = new URL(down);
  forged.searchParams.set("path", "/etc/passwd");
  assert.equal((await fetch(forged)).status, 401);
  const late = await sbx.downloadUrl("signed.txt", { useSignatureExpiration: -5 });
  const refused = await fetch(late);
  assert.equal(refused.status, 401);
  assert.match((await refused.json()).message, /expired/);
});

await check("files: several parts to one signed URL", async () => {
  const form = new FormData();
  form.append("file", new Blob(["p1"]), "parts/p1.txt");
  form.append("file", new Blob(["p2"]), "parts/p2.txt");
  const res = await fetch(await sbx.uploadUrl(), { method: "POST", body: form });
  assert.equal(res.status, 200, await res.clone().text());
  assert.equal((await res.json()).length, 2);
  assert.equal(await sbx.files.read("parts/p2.txt"), "p2");
});

// ---------------------------------------------------------------------- git

const branch = `work-${run}`;

await check("git: clone needs credentials", async () => {
  await assert.rejects(sbx.git.clone(git.url, { path: "denied" }), GitAuthError);
  await assert.rejects(
    sbx.git.clone(git.url, { path: "denied", username: git.username, password: "wrong" }),
    GitAuthError,
  );
  await assert.rejects(sbx.git.clone(git.url, { path: "denied", password: "x" }), InvalidArgumentError);
});

await check("git: configureUser, setConfig, getConfig", async () => {
  assert.equal(await sbx.git.getConfig("user.name"), undefined);
  await sbx.git.configureUser("Ada", "ada@example.com");
  assert.equal(await sbx.git.getConfig("user.name"), "Ada");
  assert.equal(await sbx.git.getConfig("user.email"), "ada@example.com");
  await sbx.git.setConfig("pull.rebase", "false");
  assert.equal(await sbx.git.getConfig("pull.rebase"), "false");
});

await check("git: clone", async () => {
  await sbx.git.clone(git.url, { path: "repo", ...credentials });
  assert.equal(await sbx.files.exists("repo/README.md"), true);
  assert.equal(await sbx.git.remoteGet("repo", "origin"), git.url);
});

await check("git: clone of one branch, shallow, credentials kept on request", async () => {
  await sbx.git.clone(git.url, {
    path: "shallow",
    branch: "main",
    depth: 1,
    dangerouslyStoreCredentials: true,
    ...credentials,
  });
  assert.equal((await sbx.commands.run("git -C shallow rev-list --count HEAD")).stdout, "1\n");
  const stored = new URL(await sbx.git.remoteGet("shallow", "origin"));
  assert.equal(stored.username, git.username);
  assert.equal(decodeURIComponent(stored.password), git.password);
});

await check("git: status of a clean and of a changed tree", async () => {
  const clean = await sbx.git.status("repo");
  assert.equal(clean.currentBranch, "main");
  assert.equal(clean.upstream, "origin/main");
  assert.equal(clean.isClean, true);
  await sbx.files.write("repo/new.txt", "new\n");
  const dirty = await sbx.git.status("repo");
  assert.equal(dirty.hasUntracked, true);
  assert.deepEqual(
    dirty.fileStatus.map((f) => [f.name, f.status]),
    [["new.txt", "untracked"]],
  );
});

await check("git: createBranch, branches, checkoutBranch, deleteBranch", async () => {
  await sbx.git.createBranch("repo", branch);
  assert.equal((await sbx.git.branches("repo")).currentBranch, branch);
  await sbx.git.createBranch("repo", "throwaway");
  await sbx.git.checkoutBranch("repo", branch);
  const { branches, currentBranch } = await sbx.git.branches("repo");
  assert.equal(currentBranch, branch);
  assert.deepEqual([...branches].sort(), ["main", "throwaway", branch].sort());
  await sbx.git.deleteBranch("repo", "throwaway", { force: true });
  assert.ok(!(await sbx.git.branches("repo")).branches.includes("throwaway"));
});

await check("git: add, restore --staged, add, commit", async () => {
  await sbx.git.add("repo", { files: ["new.txt"] });
  assert.equal((await sbx.git.status("repo")).hasStaged, true);
  await sbx.git.restore("repo", { paths: ["new.txt"], staged: true });
  assert.equal((await sbx.git.status("repo")).hasStaged, false);
  await sbx.git.add("repo");
  await sbx.git.commit("repo", "add new.txt\n\nwith 'quotes' and \"more\"", {
    authorName: "Grace",
    authorEmail: "grace@example.com",
  });
  const { stdout } = await sbx.commands.run("git -C repo log -1 --format=%an:%s");
  assert.equal(stdout, "Grace:add new.txt\n");
  await assert.rejects(sbx.git.commit("repo", "nothing"), CommandExitError);
  await sbx.git.commit("repo", "empty", { allowEmpty: true });
});

await check("git: restore the working tree", async () => {
  await sbx.files.write("repo/new.txt", "broken\n");
  await sbx.git.restore("repo", { paths: ["new.txt"] });
  assert.equal(await sbx.files.read("repo/new.txt"), "new\n");
});

await check("git: reset", async () => {
  await sbx.git.reset("repo", { mode: "hard", target: "HEAD~1" });
  const { stdout } = await sbx.commands.run("git -C repo log -1 --format=%s");
  assert.equal(stdout, "add new.txt\n");
});

await check("git: push without upstream, without and with credentials", async () => {
  await assert.rejects(sbx.git.push("repo"), GitUpstreamError);
  await assert.rejects(sbx.git.push("repo", { remote: "origin", branch }), GitAuthError);
  await sbx.git.push("repo", { remote: "origin", branch, ...credentials });
  const status = await sbx.git.status("repo");
  assert.equal(status.upstream, `origin/${branch}`);
  assert.equal(status.ahead, 0);
  assert.equal(await sbx.git.remoteGet("repo", "origin"), git.url);
});

await check("git: pull what another clone pushed", async () => {
  await sbx.git.clone(git.url, { path: "second", branch, ...credentials });
  await sbx.files.write("second/second.txt", "from the second clone\n");
  await sbx.git.add("second");
  await sbx.git.commit("second", "second");
  await sbx.git.push("second", { ...credentials });
  await assert.rejects(sbx.git.pull("repo"), GitAuthError);
  await sbx.git.pull("repo", { ...credentials });
  assert.equal(await sbx.files.read("repo/second.txt"), "from the second clone\n");
});

await check("git: a push that is not a fast-forward is refused", async () => {
  await sbx.files.write("second/new.txt", "theirs\n");
  await sbx.git.add("second");
  await sbx.git.commit("second", "again");
  await sbx.git.push("second", { ...credentials });
  await sbx.git.commit("repo", "diverged", { allowEmpty: true });
  await assert.rejects(sbx.git.push("repo", { ...credentials }), (err) => {
    assert.ok(err instanceof CommandExitError);
    return /rejected/.test(err.stderr);
  });
});

await check("git: a conflict shows in status", async () => {
  await sbx.files.write("repo/new.txt", "ours\n");
  await sbx.git.add("repo");
  await sbx.git.commit("repo", "conflicting");
  await assert.rejects(sbx.git.pull("repo", { ...credentials }), (err) => {
    assert.ok(err instanceof CommandExitError);
    assert.match(err.stdout, /CONFLICT/, err.stderr);
    return true;
  });
  const status = await sbx.git.status("repo");
  assert.equal(status.hasConflicts, true);
  assert.ok(status.ahead > 0 && status.behind > 0);
  await sbx.git.reset("repo", { mode: "merge" });
});

await check("git: init, remoteAdd, remoteGet, local configuration", async () => {
  await sbx.git.init("fresh", { initialBranch: "trunk" });
  assert.equal((await sbx.git.status("fresh")).currentBranch, "trunk");
  assert.equal(await sbx.git.remoteGet("fresh", "origin"), undefined);
  await sbx.git.remoteAdd("fresh", "origin", "https://example.com/one.git");
  await assert.rejects(sbx.git.remoteAdd("fresh", "origin", "https://example.com/two.git"), CommandExitError);
  await sbx.git.remoteAdd("fresh", "origin", "https://example.com/two.git", { overwrite: true });
  assert.equal(await sbx.git.remoteGet("fresh", "origin"), "https://example.com/two.git");
  await sbx.git.setConfig("user.name", "Local", { scope: "local", path: "fresh" });
  assert.equal(await sbx.git.getConfig("user.name", { scope: "local", path: "fresh" }), "Local");
  await sbx.git.init("bare.git", { bare: true });
  assert.equal((await sbx.commands.run("git -C bare.git rev-parse --is-bare-repository")).stdout, "true\n");
});

await check("git: pull without upstream", async () => {
  await assert.rejects(sbx.git.pull("fresh"), GitUpstreamError);
});

await check("git: dangerouslyAuthenticate", async () => {
  const { host, protocol } = new URL(git.url);
  await sbx.git.dangerouslyAuthenticate({ host, protocol: protocol.replace(":", ""), ...credentials });
  await sbx.git.clone(git.url, { path: "authenticated" });
  assert.equal(await sbx.files.exists("authenticated/README.md"), true);
  await sbx.git.remoteAdd("fresh", "upstream", git.url, { fetch: true });
  const { stdout } = await sbx.commands.run("git -C fresh branch -r");
  assert.match(stdout, /upstream\/main/);
});

await check("kill ends everything", async () => {
  for (const s of sandboxes) await s.kill();
  assert.deepEqual(await collect(Sandbox.list({ query: { metadata: { run } } })), []);
});

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
