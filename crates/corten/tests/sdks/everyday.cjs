// Everyday use from Node: dockerode, and Testcontainers on top of it.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { PassThrough } = require("node:stream");
const Docker = require("dockerode");
const { GenericContainer, Wait } = require("testcontainers");

const docker = new Docker();

const DOCKERFILE = `FROM busybox AS one
ARG WORD
COPY . /context/
RUN echo $WORD > /word
FROM one AS two
RUN echo not reached; exit 5
`;

/** A directory with these files while `use` runs. */
async function inDirectory(files, use) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "corten-sdk-"));
  try {
    for (const [name, text] of Object.entries(files)) {
      fs.writeFileSync(path.join(directory, name), text);
    }
    return await use(directory);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

async function text(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Standard output and error of one of Docker's framed streams. */
async function demultiplexed(stream) {
  const [out, err] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, out, err);
  stream.on("end", () => [out, err].forEach((it) => it.end()));
  return (await Promise.all([text(out), text(err)])).map(String);
}

async function sleeper() {
  const box = await docker.createContainer({
    Image: "busybox",
    Cmd: ["sleep", "1000"],
    StopSignal: "SIGKILL",
  });
  await box.start();
  return box;
}

const stories = {
  async "run gives output and the exit code"() {
    const out = new PassThrough();
    const output = text(out);
    const script = ["sh", "-c", "echo hello; exit 3"];
    const [result, box] = await docker.run("busybox", script, out, { Tty: true });
    out.end();
    assert.equal(result.StatusCode, 3);
    assert.equal(String(await output), "hello\r\n");
    await box.remove();
  },

  async "exec gives every byte every time"() {
    const box = await sleeper();
    for (let number = 0; number < 30; number++) {
      const exec = await box.exec({
        Cmd: ["sh", "-c", `echo ${number}; echo bad >&2; exit 4`],
        AttachStdout: true,
        AttachStderr: true,
      });
      const streams = await demultiplexed(await exec.start({}));
      assert.deepEqual(streams, [`${number}\n`, "bad\n"]);
      assert.equal((await exec.inspect()).ExitCode, 4);
    }
    await box.remove({ force: true });
  },

  async "exec takes input over a hijacked connection"() {
    const box = await sleeper();
    const exec = await box.exec({ Cmd: ["cat"], AttachStdin: true, AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    const streams = demultiplexed(stream);
    stream.end("typed\n");
    assert.deepEqual(await streams, ["typed\n", ""]);
    await box.remove({ force: true });
  },

  async "logs, stats, archives and events"() {
    const filters = { type: ["container"], label: ["story=node"] };
    const events = await docker.getEvents({ filters });
    const box = await docker.createContainer({
      Image: "busybox",
      Cmd: ["sh", "-c", "for n in 1 2 3; do echo $n; done"],
      Labels: { story: "node" },
    });
    await box.start();
    const [out] = await demultiplexed(await box.logs({ follow: true, stdout: true }));
    assert.equal(out, "1\n2\n3\n");
    assert.equal((await box.wait()).StatusCode, 0);
    const archive = await text(await box.getArchive({ path: "/bin/busybox" }));
    assert.equal(archive.subarray(0, 7).toString(), "busybox");
    await box.putArchive(archive, { path: "/tmp" });
    assert.ok((await box.changes()).some((it) => it.Path === "/tmp/busybox"));
    await box.remove();
    const seen = [];
    for await (const line of events) {
      const all = String(line).trim().split("\n");
      seen.push(...all.map((it) => JSON.parse(it).Action));
      if (seen.includes("destroy")) break;
    }
    assert.deepEqual(
      seen.filter((it) => ["create", "start", "die", "destroy"].includes(it)),
      ["create", "start", "die", "destroy"],
    );
    const running = await sleeper();
    const stats = await running.stats({ stream: false });
    assert.ok(stats.memory_stats.usage > 0);
    await running.remove({ force: true });
  },

  async "attach carries both ways"() {
    const box = await docker.createContainer({
      Image: "busybox",
      Cmd: ["sh", "-c", "read a; echo got $a"],
      OpenStdin: true,
      StdinOnce: true,
    });
    const stream = await box.attach({ stream: true, stdin: true, stdout: true, hijack: true });
    const streams = demultiplexed(stream);
    await box.start();
    stream.write("something\n");
    assert.deepEqual(await streams, ["got something\n", ""]);
    assert.equal((await box.wait()).StatusCode, 0);
    await box.remove();
  },

  async "Testcontainers starts a service, waits for its port and reaches it"() {
    const serve = "echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp";
    const web = await new GenericContainer("busybox")
      .withCommand(["sh", "-c", serve])
      .withExposedPorts(80)
      .withCopyContentToContainer([{ content: "copied", target: "/tmp/note" }])
      .withWaitStrategy(Wait.forListeningPorts())
      .start();
    const url = `http://${web.getHost()}:${web.getMappedPort(80)}`;
    assert.equal(await (await fetch(`${url}/`)).text(), "hello\n");
    assert.equal(await (await fetch(`${url}/note`)).text(), "copied");
    const { output, exitCode } = await web.exec(["echo", "inside"]);
    assert.deepEqual([output, exitCode], ["inside\n", 0]);
    await web.stop({ timeout: 0 });
  },

  async "Testcontainers builds images, classic and by BuildKit"() {
    const files = {
      "Dockerfile.it": DOCKERFILE,
      ".dockerignore": "hidden\n",
      seen: "seen\n",
      hidden: "hidden\n",
    };
    await inDirectory(files, async (directory) => {
      const builder = () =>
        GenericContainer.fromDockerfile(directory, "Dockerfile.it").withBuildArgs({ WORD: "hello" });
      for (const [name, own] of [
        ["of-a-test:classic", builder()],
        ["of-a-test:buildkit", builder().withBuildkit()],
      ]) {
        const built = await own.withTarget("one").withCache(false).build(name);
        const box = await built
          .withCommand(["sh", "-c", "cat /word; ls /context; sleep 1000"])
          .withWaitStrategy(Wait.forLogMessage("seen"))
          .start();
        const { output } = await box.exec(["sh", "-c", "cat /word; ls /context"]);
        assert.equal(output, "hello\nDockerfile.it\nseen\n", name);
        await box.stop({ timeout: 0 });
        await docker.getImage(name).remove();
        // A step that fails leaves no image.
        await assert.rejects(own.withTarget("two").build(`${name}-2`), /Failed to build image/);
      }
    });
  },

  async "a build by BuildKit is followed to its image"() {
    const file = "FROM busybox\nRUN echo from the step\nCMD echo built\n";
    await inDirectory({ Dockerfile: file }, async (directory) => {
      const context = { context: directory, src: ["Dockerfile"] };
      const options = { t: "of-a-test:2", version: "2", nocache: true };
      const stream = await docker.buildImage(context, options);
      const lines = [];
      await new Promise((resolve, reject) => {
        const end = (error) => (error ? reject(error) : resolve());
        docker.followProgress(stream, end, (event) => lines.push(event.stream ?? ""));
      });
      assert.match(lines.join("\n"), /RUN echo from the step/);
      // What a step says comes through this dockerode as base64.
      const said = Buffer.from("from the step\n").toString("base64");
      assert.ok(lines.some((it) => it.trim() === said), lines);
    });
    const image = docker.getImage("of-a-test:2");
    assert.deepEqual((await image.inspect()).Config.Cmd, ["/bin/sh", "-c", "echo built"]);
    await image.remove();
  },
};

(async () => {
  for (const [name, story] of Object.entries(stories)) {
    console.log(name);
    await story();
  }
  // Connections that are kept open are no reason to stay.
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
