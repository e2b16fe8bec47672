/* Calls all of WASI preview 1 by itself, without a C library, and writes down what came of it. */

#include "old_wasi.h"

#define WASI(name) \
  __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))

WASI("args_get") extern int32_t args_get(uint32_t, uint32_t);
WASI("args_sizes_get") extern int32_t args_sizes_get(void *, void *);
WASI("environ_get") extern int32_t environ_get(void *, void *);
WASI("environ_sizes_get") extern int32_t environ_sizes_get(void *, void *);
WASI("clock_res_get") extern int32_t clock_res_get(uint32_t, void *);
WASI("clock_time_get") extern int32_t clock_time_get(uint32_t, uint64_t, void *);
WASI("fd_advise") extern int32_t fd_advise(uint32_t, uint64_t, uint64_t, uint32_t);
WASI("fd_allocate") extern int32_t fd_allocate(uint32_t, uint64_t, uint64_t);
WASI("fd_close") extern int32_t fd_close(uint32_t);
WASI("fd_datasync") extern int32_t fd_datasync(uint32_t);
WASI("fd_fdstat_get") extern int32_t fd_fdstat_get(uint32_t, void *);
WASI("fd_fdstat_set_flags") extern int32_t fd_fdstat_set_flags(uint32_t, uint32_t);
WASI("fd_fdstat_set_rights") extern int32_t fd_fdstat_set_rights(uint32_t, uint64_t, uint64_t);
WASI("fd_filestat_get") extern int32_t fd_filestat_get(uint32_t, void *);
WASI("fd_filestat_set_size") extern int32_t fd_filestat_set_size(uint32_t, uint64_t);
WASI("fd_filestat_set_times")
extern int32_t fd_filestat_set_times(uint32_t, uint64_t, uint64_t, uint32_t);
WASI("fd_pread") extern int32_t fd_pread(uint32_t, void *, uint32_t, uint64_t, void *);
WASI("fd_prestat_get") extern int32_t fd_prestat_get(uint32_t, void *);
WASI("fd_prestat_dir_name") extern int32_t fd_prestat_dir_name(uint32_t, void *, uint32_t);
WASI("fd_pwrite") extern int32_t fd_pwrite(uint32_t, void *, uint32_t, uint64_t, void *);
WASI("fd_read") extern int32_t fd_read(uint32_t, void *, uint32_t, void *);
WASI("fd_readdir") extern int32_t fd_readdir(uint32_t, void *, uint32_t, uint64_t, void *);
WASI("fd_renumber") extern int32_t fd_renumber(uint32_t, uint32_t);
WASI("fd_seek") extern int32_t fd_seek(uint32_t, int64_t, uint32_t, void *);
WASI("fd_sync") extern int32_t fd_sync(uint32_t);
WASI("fd_tell") extern int32_t fd_tell(uint32_t, void *);
WASI("fd_write") extern int32_t fd_write(uint32_t, void *, uint32_t, void *);
WASI("path_create_directory") extern int32_t path_create_directory(uint32_t, void *, uint32_t);
WASI("path_filestat_get")
extern int32_t path_filestat_get(uint32_t, uint32_t, void *, uint32_t, void *);
WASI("path_filestat_set_times")
extern int32_t path_filestat_set_times(uint32_t, uint32_t, void *, uint32_t, uint64_t,
    uint64_t, uint32_t);
WASI("path_link")
extern int32_t path_link(uint32_t, uint32_t, void *, uint32_t, uint32_t, void *, uint32_t);
WASI("path_open")
extern int32_t path_open(uint32_t, uint32_t, void *, uint32_t, uint32_t, uint64_t, uint64_t,
    uint32_t, void *);
WASI("path_readlink")
extern int32_t path_readlink(uint32_t, void *, uint32_t, void *, uint32_t, void *);
WASI("path_remove_directory") extern int32_t path_remove_directory(uint32_t, void *, uint32_t);
WASI("path_rename")
extern int32_t path_rename(uint32_t, void *, uint32_t, uint32_t, void *, uint32_t);
WASI("path_symlink") extern int32_t path_symlink(void *, uint32_t, uint32_t, void *, uint32_t);
WASI("path_unlink_file") extern int32_t path_unlink_file(uint32_t, void *, uint32_t);
WASI("poll_oneoff") extern int32_t poll_oneoff(void *, void *, uint32_t, void *);
WASI("proc_raise") extern int32_t proc_raise(uint32_t);
WASI("sched_yield") extern int32_t sched_yield(void);
WASI("random_get") extern int32_t random_get(void *, uint32_t);
WASI("sock_accept") extern int32_t sock_accept(uint32_t, uint32_t, void *);
WASI("sock_recv") extern int32_t sock_recv(uint32_t, void *, uint32_t, uint32_t, void *, void *);
WASI("sock_send") extern int32_t sock_send(uint32_t, void *, uint32_t, uint32_t, void *);
WASI("sock_shutdown") extern int32_t sock_shutdown(uint32_t, uint32_t);
WASI("proc_exit") extern _Noreturn void proc_exit(uint32_t);

typedef struct {
  const void *ptr;
  size_t len;
} piece;

typedef struct {
  uint64_t userdata;
  uint8_t kind;
  _Alignas(8) uint32_t what;
  uint64_t timeout, precision;
  uint16_t flags;
} subscription;

enum { FOLDER = 3, READ = 1 << 1, WRITE = 1 << 6, LIST = 1 << 14 };

static char lines[16384];
static size_t length;

static void put(const char *text) {
  while (*text) lines[length++] = *text++;
}

static void put_number(uint64_t number) {
  char digits[20];
  size_t first = sizeof digits;
  do digits[--first] = '0' + number % 10;
  while (number /= 10);
  while (first < sizeof digits) lines[length++] = digits[first++];
}

static int32_t note(const char *what, int32_t status) {
  put(what);
  put(": ");
  put_number(status);
  put("\n");
  return status;
}

static void value(const char *what, uint64_t number) {
  put("  ");
  put(what);
  put(" ");
  put_number(number);
  put("\n");
}

static void text(const char *what, const char *from, size_t size) {
  put("  ");
  put(what);
  put(" ");
  for (size_t i = 0; i < size; i++) lines[length++] = from[i];
  put("\n");
}

#define P(path) path, sizeof path - 1

static uint32_t opened(const char *what, char *path, size_t size, uint32_t how,
                       uint64_t rights, uint32_t flags) {
  uint32_t fd = 0;
  note(what, path_open(FOLDER, 1, path, size, how, rights, rights, flags, &fd));
  return fd;
}

static void process(void) {
  static uint8_t space[4096];
  size_t count, size;
  uint64_t time;
  note("args_sizes_get", args_sizes_get(&count, &size));
  note("args_get", args_get((uint32_t)(uintptr_t)space, (uint32_t)(uintptr_t)space + 1024));
  note("environ_sizes_get", environ_sizes_get(&count, &size));
  note("environ_get", environ_get(space, space + 1024));
  for (uint32_t clock = 0; clock < 5; clock++) {
    note("clock_res_get", clock_res_get(clock, &time));
    note("clock_time_get", clock_time_get(clock, 1, &time));
    if (clock < 2) value("later than nothing", time > 0);
  }
  note("random_get", random_get(space, 100));
  note("sched_yield", sched_yield());
  note("proc_raise", proc_raise(2));
  note("sock_accept", sock_accept(FOLDER, 0, &count));
  note("sock_recv", sock_recv(FOLDER, 0, 0, 0, &count, &size));
  note("sock_send", sock_send(FOLDER, 0, 0, 0, &count));
  note("sock_shutdown", sock_shutdown(FOLDER, 1));
}

static void streams(void) {
  static uint8_t stat[64];
  uint8_t space[8];
  size_t done;
  uint64_t position;
  piece hello[] = {{"hel", 3}, {"", 0}, {"lo\n", 3}}, into = {space, 8};
  note("fd_write stdout", fd_write(1, hello, 3, &done));
  value("written", done);
  note("fd_write stderr", fd_write(2, hello, 1, &done));
  note("fd_write stdin", fd_write(0, hello, 1, &done));
  note("fd_read stdin", fd_read(0, &into, 1, &done));
  value("read", done);
  note("fd_read stdout", fd_read(1, &into, 1, &done));
  note("fd_seek stdout", fd_seek(1, 0, 0, &position));
  note("fd_tell stdout", fd_tell(1, &position));
  note("fd_fdstat_get stdout", fd_fdstat_get(1, stat));
  value("type", stat[0]);
  note("fd_filestat_get stdout", fd_filestat_get(1, stat));
  note("fd_write nowhere", fd_write(99, hello, 3, &done));
  note("fd_read nowhere", fd_read(99, &into, 1, &done));
  note("fd_close nowhere", fd_close(99));
}

static void waiting(void) {
  static uint64_t events[8];
  uint32_t count;
  subscription soon = {.userdata = 7, .what = 1, .timeout = 1000000};
  subscription past = {.userdata = 8, .what = 0, .timeout = 1, .flags = 1};
  subscription output = {.userdata = 9, .kind = 2, .what = 1};
  subscription both[] = {soon, output};
  note("poll_oneoff nothing", poll_oneoff(both, events, 0, &count));
  note("poll_oneoff clock", poll_oneoff(&soon, events, 1, &count));
  value("events", count);
  value("userdata", events[0]);
  note("poll_oneoff past", poll_oneoff(&past, events, 1, &count));
  value("userdata", events[0]);
  note("poll_oneoff output", poll_oneoff(both, events, 2, &count));
  value("userdata", events[0]);
}

static void folders(void) {
  uint8_t prestat[8];
  char name[64];
  note("fd_prestat_get", fd_prestat_get(FOLDER, prestat));
  note("fd_prestat_dir_name", fd_prestat_dir_name(FOLDER, name, 1));
  text("begins with", name, 1);
  note("fd_prestat_get nowhere", fd_prestat_get(99, prestat));
  note("fd_prestat_dir_name nowhere", fd_prestat_dir_name(99, name, 1));
  note("path_create_directory", path_create_directory(FOLDER, P("d")));
  note("path_create_directory again", path_create_directory(FOLDER, P("d")));
  note("path_create_directory nowhere", path_create_directory(99, P("d")));
}

static void stat_of(uint32_t fd) {
  struct {
    uint64_t device, node;
    uint8_t type;
    uint64_t links, size, accessed, modified, changed;
  } stat;
  if (note("fd_filestat_get", fd_filestat_get(fd, &stat))) return;
  value("type", stat.type);
  if (stat.type == 4) value("size", stat.size);
}

static void files(void) {
  char space[32];
  size_t done;
  uint64_t position;
  piece hello = {"hello world", 11}, into = {space, sizeof space}, five = {space, 5};
  uint32_t file = opened("path_open new", P("d/f"), 1 | 4, READ | WRITE, 0);
  opened("path_open exclusive", P("d/f"), 1 | 4, READ | WRITE, 0);
  opened("path_open missing", P("d/none"), 0, READ, 0);
  opened("path_open file as folder", P("d/f"), 2, READ, 0);
  opened("path_open outside", P("../x"), 0, READ, 0);
  note("path_open nowhere", path_open(99, 0, P("x"), 0, READ, READ, 0, &done));
  note("path_open below a file", path_open(file, 0, P("x"), 0, READ, READ, 0, &done));
  note("fd_write", fd_write(file, &hello, 1, &done));
  value("written", done);
  note("fd_tell", fd_tell(file, &position));
  value("position", position);
  note("fd_seek begin", fd_seek(file, 6, 0, &position));
  note("fd_read", fd_read(file, &into, 1, &done));
  text("read", space, done);
  note("fd_read at the end", fd_read(file, &into, 1, &done));
  value("read", done);
  note("fd_seek back", fd_seek(file, -5, 1, &position));
  value("position", position);
  note("fd_seek from end", fd_seek(file, -1, 2, &position));
  value("position", position);
  note("fd_seek before", fd_seek(file, -100, 1, &position));
  note("fd_seek wrong", fd_seek(file, 0, 9, &position));
  note("fd_pread", fd_pread(file, &five, 1, 3, &done));
  text("read", space, done);
  piece patch = {"LO", 2};
  note("fd_pwrite", fd_pwrite(file, &patch, 1, 3, &done));
  note("fd_filestat_set_size", fd_filestat_set_size(file, 7));
  stat_of(file);
  note("fd_fdstat_set_flags", fd_fdstat_set_flags(file, 1));
  note("fd_write appended", fd_write(file, &patch, 1, &done));
  note("fd_pread", fd_pread(file, &into, 1, 0, &done));
  text("read", space, done);
  note("fd_fdstat_set_rights", fd_fdstat_set_rights(file, READ, 0));
  note("fd_advise", fd_advise(file, 0, 1, 0));
  note("fd_advise wrong", fd_advise(file, 0, 1, 99));
  note("fd_allocate", fd_allocate(file, 0, 100));
  note("fd_sync", fd_sync(file));
  note("fd_datasync", fd_datasync(file));
  note("fd_filestat_set_times", fd_filestat_set_times(file, 1000000000, 2000000000, 1 | 4));
  uint64_t stat[8];
  note("path_filestat_get", path_filestat_get(FOLDER, 1, P("d/f"), stat));
  value("modified", stat[6]);
  note("path_filestat_set_times",
       path_filestat_set_times(FOLDER, 1, P("d/f"), 3000000000, 4000000000, 1 | 4));
  note("path_filestat_get", path_filestat_get(FOLDER, 1, P("d/f"), stat));
  value("modified", stat[6]);
  note("path_filestat_get missing", path_filestat_get(FOLDER, 1, P("none"), stat));
  uint32_t other = opened("path_open other", P("d/f"), 0, READ, 0);
  note("fd_renumber", fd_renumber(other, file));
  note("fd_renumber nowhere", fd_renumber(99, file));
  note("fd_close", fd_close(file));
  note("fd_close again", fd_close(file));
  note("fd_close renumbered", fd_close(other));
}

static void names(void) {
  uint8_t space[256];
  char target[16];
  size_t used;
  note("path_link", path_link(FOLDER, 0, P("d/f"), FOLDER, P("d/g")));
  note("path_link missing", path_link(FOLDER, 0, P("d/none"), FOLDER, P("d/h")));
  note("path_symlink", path_symlink(P("f"), FOLDER, P("d/s")));
  note("path_readlink", path_readlink(FOLDER, P("d/s"), target, sizeof target, &used));
  text("target", target, used);
  note("path_readlink no link", path_readlink(FOLDER, P("d/f"), target, sizeof target, &used));
  note("path_rename", path_rename(FOLDER, P("d/f"), FOLDER, P("d/moved")));
  note("path_rename missing", path_rename(FOLDER, P("d/f"), FOLDER, P("d/moved")));
  uint32_t folder = opened("path_open folder", P("d"), 2, READ | LIST, 0);
  stat_of(folder);
  uint64_t cookie = 0;
  uint32_t entries = 0, letters = 0;
  /* Room for one entry at a time: every second one is cut off and asked for again. */
  for (;;) {
    if (fd_readdir(folder, space, 32, cookie, &used) || used < 24) break;
    __builtin_memcpy(&cookie, space, 8);
    entries++;
    letters += *(uint32_t *)(space + 16);
  }
  value("entries", entries);
  value("letters", letters);
  note("fd_readdir", fd_readdir(folder, space, sizeof space, 0, &used));
  value("bytes", used);
  note("fd_readdir nowhere", fd_readdir(99, space, sizeof space, 0, &used));
  note("fd_read folder", fd_read(folder, &(piece){space, 8}, 1, &used));
  note("fd_close folder", fd_close(folder));
  note("path_remove_directory full", path_remove_directory(FOLDER, P("d")));
  note("path_unlink_file", path_unlink_file(FOLDER, P("d/moved")));
  note("path_unlink_file again", path_unlink_file(FOLDER, P("d/moved")));
  path_unlink_file(FOLDER, P("d/g"));
  path_unlink_file(FOLDER, P("d/s"));
  note("path_remove_directory", path_remove_directory(FOLDER, P("d")));
  note("path_remove_directory again", path_remove_directory(FOLDER, P("d")));
}

wit_string_t exports_demo_old_wasi_api_transcript(void) {
  length = 0;
  process();
  streams();
  waiting();
  folders();
  files();
  names();
  return wit_string_copy(lines, length);
}

void exports_demo_old_wasi_api_leave(uint32_t status) { proc_exit(status); }
