/* wasi:filesystem, called in every way. */

#include "told.h"

#define FS(name) wasi_filesystem_types_method_descriptor_##name
#define READ WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ
#define WRITE WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE
#define CREATE WASI_FILESYSTEM_TYPES_OPEN_FLAGS_CREATE
#define EXCLUSIVE WASI_FILESYSTEM_TYPES_OPEN_FLAGS_EXCLUSIVE
#define DIRECTORY WASI_FILESYSTEM_TYPES_OPEN_FLAGS_DIRECTORY
#define FOLLOW WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW

static const char *const codes[] = {
    "access",        "would-block",   "already",        "bad-descriptor",
    "busy",          "deadlock",      "quota",          "exist",
    "file-too-large", "illegal-byte-sequence", "in-progress", "interrupted",
    "invalid",       "io",            "is-directory",   "loop",
    "too-many-links", "message-size", "name-too-long",  "no-device",
    "no-entry",      "no-lock",       "insufficient-memory", "insufficient-space",
    "not-directory", "not-empty",     "not-recoverable", "unsupported",
    "no-tty",        "no-such-device", "overflow",      "not-permitted",
    "pipe",          "read-only",     "invalid-seek",   "text-file-busy",
    "cross-device"};

static wasi_filesystem_types_descriptor_t root, file;

static void begin(void) {
  __auto_type folders = wasi_filesystem_preopens_get_directories();
  say_number(folders.len);
  SAY_STRING(folders.ptr[0].f1);
  root = folders.ptr[0].f0;
  file = OK(FS(open_at)(root, 0, TEXT("f"), CREATE, READ | WRITE));
}

static void contents(void) {
  say_number(OK(FS(write)(file, BYTES("hello world"), 0)));
  DONE(FS(set_size)(file, 5));
  __auto_type read = OK(FS(read)(file, 100, 1));
  SAY_BYTES(read.f0);
  say_bool(read.f1);
  DONE(FS(advise)(file, 0, 5, WASI_FILESYSTEM_TYPES_ADVICE_SEQUENTIAL));
  DONE(FS(sync_data)(file));
  DONE(FS(sync)(file));
  __auto_type more = OK(FS(append_via_stream)(file));
  DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(more, BYTES("!!")));
  wasi_io_streams_output_stream_drop(more);
  __auto_type over = OK(FS(write_via_stream)(file, 0));
  DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(over, BYTES("J")));
  wasi_io_streams_output_stream_drop(over);
  __auto_type whole = OK(FS(read_via_stream)(file, 0));
  SAY_BYTES(OK(wasi_io_streams_method_input_stream_blocking_read(whole, 100)));
  wasi_io_streams_input_stream_drop(whole);
}

static void metadata(void) {
  say_number(OK(FS(get_flags)(file)));
  say_number(OK(FS(get_type)(file)));
  __auto_type stat = OK(FS(stat)(file));
  say_number(stat.size);
  say_number(stat.link_count);
  say_number(stat.data_modification_timestamp.val.seconds);
  wasi_filesystem_types_new_timestamp_t same = {.tag = 0}, now = {.tag = 1}, then = {.tag = 2};
  then.val.timestamp = (wasi_clocks_wall_clock_datetime_t){5, 6};
  DONE(FS(set_times)(file, now, then));
  stat = OK(FS(stat_at)(root, FOLLOW, TEXT("f")));
  say_number(stat.data_modification_timestamp.val.nanoseconds);
  DONE(FS(set_times_at)(root, 0, TEXT("f"), then, same));
  say_number(OK(FS(stat)(file)).data_access_timestamp.val.seconds);
  __auto_type one = OK(FS(metadata_hash)(file));
  __auto_type two = OK(FS(metadata_hash_at)(root, 0, TEXT("f")));
  say_bool(one.lower == two.lower && one.upper == two.upper);
  say_bool(FS(is_same_object)(file, file));
  say_bool(FS(is_same_object)(file, root));
}

static void names(void) {
  DONE(FS(create_directory_at)(root, TEXT("d")));
  __auto_type folder = OK(FS(open_at)(root, 0, TEXT("d"), DIRECTORY, READ));
  DONE(FS(link_at)(root, 0, TEXT("f"), folder, TEXT("z")));
  DONE(FS(symlink_at)(folder, TEXT("z"), TEXT("s")));
  DONE(FS(rename_at)(folder, TEXT("z"), folder, TEXT("a")));
  SAY_STRING(OK(FS(readlink_at)(folder, TEXT("s"))));
  __auto_type listing = OK(FS(read_directory)(folder));
  for (;;) {
    __auto_type entry =
        OK(wasi_filesystem_types_method_directory_entry_stream_read_directory_entry(listing));
    if (!entry.is_some) break;
    SAY_STRING(entry.val.name);
  }
  wasi_filesystem_types_directory_entry_stream_drop(listing);
  SAY_CODE(codes, FS(remove_directory_at)(root, TEXT("d")));
  DONE(FS(unlink_file_at)(folder, TEXT("a")));
  DONE(FS(unlink_file_at)(folder, TEXT("s")));
  wasi_filesystem_types_descriptor_drop(folder);
  SAY_CODE(codes, FS(remove_directory_at)(root, TEXT("d")));
}

static void errors(void) {
  SAY_CODE(codes, FS(open_at)(root, 0, TEXT("none"), 0, READ));
  SAY_CODE(codes, FS(open_at)(root, 0, TEXT("f"), CREATE | EXCLUSIVE, READ));
  SAY_CODE(codes, FS(open_at)(root, 0, TEXT("f"), DIRECTORY, READ));
  SAY_CODE(codes, FS(open_at)(root, FOLLOW, TEXT("../f"), 0, READ));
  SAY_CODE(codes, FS(open_at)(root, FOLLOW, TEXT("/f"), 0, READ));
  SAY_CODE(codes, FS(symlink_at)(root, TEXT("/etc"), TEXT("out")));
  SAY_CODE(codes, FS(readlink_at)(root, TEXT("f")));
  SAY_CODE(codes, FS(create_directory_at)(root, TEXT("f")));
  SAY_CODE(codes, FS(unlink_file_at)(root, TEXT("none")));
  SAY_CODE(codes, FS(read_directory)(file));
  SAY_CODE(codes, FS(stat_at)(root, 0, TEXT("f/x")));
  SAY_CODE(codes, FS(read)(root, 1, 0));
  SAY_CODE(codes, FS(write)(file, BYTES("x"), 1ull << 62));
  SAY_CODE(codes, FS(set_size)(file, 1ull << 62));
  SAY_CODE(codes, FS(link_at)(root, 0, TEXT("none"), root, TEXT("l")));
  SAY_CODE(codes, FS(rename_at)(root, TEXT("none"), root, TEXT("l")));
  SAY_CODE(codes, FS(metadata_hash_at)(root, 0, TEXT("none")));
  __auto_type reader = OK(FS(open_at)(root, 0, TEXT("f"), 0, READ));
  SAY_CODE(codes, FS(write)(reader, BYTES("x"), 0));
  SAY_CODE(codes, FS(set_size)(reader, 1));
  SAY_CODE(codes, FS(append_via_stream)(reader));
  wasi_filesystem_types_descriptor_drop(reader);
  __auto_type far = OK(FS(write_via_stream)(file, 1ull << 62));
  __auto_type failed =
      wasi_io_streams_method_output_stream_blocking_write_and_flush(far, BYTES("x"));
  wasi_io_error_error_t error = failed.val.err.val.last_operation_failed;
  say(codes[wasi_filesystem_types_filesystem_error_code(error).val]);
  wasi_io_error_error_drop(error);
  wasi_io_streams_output_stream_drop(far);
}

PARTS({"begin", begin}, {"contents", contents}, {"metadata", metadata}, {"names", names},
      {"errors", errors})
