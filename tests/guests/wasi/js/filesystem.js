// wasi:filesystem, called in every way.

import { getDirectories } from "wasi:filesystem/preopens@0.2.9";
import { filesystemErrorCode } from "wasi:filesystem/types@0.2.9";
import { bytes, drop, refused, say, sayCode } from "./told.js";

const CREATE = { create: true };
const DIRECTORY = { directory: true };
const FOLLOW = { symlinkFollow: true };
const READ = { read: true };
const FLAGS = ["read", "write", "fileIntegritySync", "dataIntegritySync", "requestedWriteSync"];
const TYPES = [
  ...["unknown", "block-device", "character-device", "directory", "fifo"],
  ...["symbolic-link", "regular-file", "socket"],
];
const FAR = 1n << 62n;

let root, file;

function put(stream, text) {
  stream.blockingWriteAndFlush(bytes(text));
  drop(stream);
}

export const parts = {
  begin() {
    const folders = getDirectories();
    say(folders.length, folders[0][1]);
    root = folders[0][0];
    file = root.openAt({}, "f", CREATE, { read: true, write: true });
  },

  contents() {
    say(file.write(bytes("hello world"), 0n));
    file.setSize(5n);
    say(...file.read(100n, 1n));
    file.advise(0n, 5n, "sequential");
    file.syncData();
    file.sync();
    put(file.appendViaStream(), "!!");
    put(file.writeViaStream(0n), "J");
    const whole = file.readViaStream(0n);
    say(whole.blockingRead(100n));
    drop(whole);
  },

  metadata() {
    const flags = file.getFlags();
    say(FLAGS.reduce((sum, name, bit) => sum + (flags[name] ? 1 << bit : 0), 0));
    say(TYPES.indexOf(file.getType()));
    const stat = file.stat();
    say(stat.size, stat.linkCount, stat.dataModificationTimestamp.seconds);
    const then = { tag: "timestamp", val: { seconds: 5n, nanoseconds: 6 } };
    file.setTimes({ tag: "now" }, then);
    say(root.statAt(FOLLOW, "f").dataModificationTimestamp.nanoseconds);
    root.setTimesAt({}, "f", then, { tag: "no-change" });
    say(file.stat().dataAccessTimestamp.seconds);
    const one = file.metadataHash();
    const two = root.metadataHashAt({}, "f");
    say(one.lower === two.lower && one.upper === two.upper);
    say(file.isSameObject(file));
    say(file.isSameObject(root));
  },

  names() {
    root.createDirectoryAt("d");
    const folder = root.openAt({}, "d", DIRECTORY, READ);
    root.linkAt({}, "f", folder, "z");
    folder.symlinkAt("z", "s");
    folder.renameAt("z", folder, "a");
    say(folder.readlinkAt("s"));
    const listing = folder.readDirectory();
    for (let entry; (entry = listing.readDirectoryEntry()); ) say(entry.name);
    drop(listing);
    sayCode(() => root.removeDirectoryAt("d"));
    folder.unlinkFileAt("a");
    folder.unlinkFileAt("s");
    drop(folder);
    sayCode(() => root.removeDirectoryAt("d"));
  },

  errors() {
    sayCode(() => root.openAt({}, "none", {}, READ));
    sayCode(() => root.openAt({}, "f", { create: true, exclusive: true }, READ));
    sayCode(() => root.openAt({}, "f", DIRECTORY, READ));
    sayCode(() => root.openAt(FOLLOW, "../f", {}, READ));
    sayCode(() => root.openAt(FOLLOW, "/f", {}, READ));
    sayCode(() => root.symlinkAt("/etc", "out"));
    sayCode(() => root.readlinkAt("f"));
    sayCode(() => root.createDirectoryAt("f"));
    sayCode(() => root.unlinkFileAt("none"));
    sayCode(() => file.readDirectory());
    sayCode(() => root.statAt({}, "f/x"));
    sayCode(() => root.read(1n, 0n));
    sayCode(() => file.write(bytes("x"), FAR));
    sayCode(() => file.setSize(FAR));
    sayCode(() => root.linkAt({}, "none", root, "l"));
    sayCode(() => root.renameAt("none", root, "l"));
    sayCode(() => root.metadataHashAt({}, "none"));
    const reader = root.openAt({}, "f", {}, READ);
    sayCode(() => reader.write(bytes("x"), 0n));
    sayCode(() => reader.setSize(1n));
    sayCode(() => reader.appendViaStream());
    drop(reader);
    const far = file.writeViaStream(FAR);
    const { error } = refused(() => far.blockingWriteAndFlush(bytes("x")));
    say(filesystemErrorCode(error.val));
    drop(error.val, far);
  },
};
