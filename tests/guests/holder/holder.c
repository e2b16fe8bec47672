/* On WASI 0.2 itself, over the generated bindings: what is opened stays open. */

#include "holder.h"

#define FS(name) wasi_filesystem_types_method_descriptor_##name
#define READ WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ
#define WRITE WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE
#define CREATE WASI_FILESYSTEM_TYPES_OPEN_FLAGS_CREATE
#define NEVER_NS (1ull << 62)

static wasi_filesystem_types_descriptor_t root, folder, text, notes;
static wasi_io_streams_input_stream_t input;
static wasi_io_streams_output_stream_t output, console;
static wasi_filesystem_types_directory_entry_stream_t listing;
static wasi_io_poll_pollable_t over, pending, readable;
static uint32_t turn;

static char told[256];
static size_t length;

static void tell(const char *piece, size_t size) {
  for (size_t i = 0; i < size && length < sizeof told; i++) told[length++] = piece[i];
}

#define TELL(piece) tell(piece, sizeof piece - 1)

static wit_string_t answer(void) {
  wit_string_t copy = wit_string_copy(told, length);
  length = 0;
  return copy;
}

static wasi_filesystem_types_descriptor_t opened(wasi_filesystem_types_descriptor_t at,
                                                 const char *name, uint8_t how, uint8_t flags) {
  wit_result_wasi_filesystem_types_descriptor_wasi_filesystem_types_error_code_t found =
      FS(open_at)(at, 0, wit_string(name), how, flags);
  if (found.is_err) __builtin_trap();
  return found.val.ok;
}

static void put(wasi_io_streams_output_stream_t stream, const char *bytes, size_t size) {
  wit_list_u8_t contents = {(uint8_t *)bytes, size};
  if (wasi_io_streams_method_output_stream_blocking_write_and_flush(stream, contents).is_err)
    __builtin_trap();
}

static void write_file(const char *name, const char *bytes, size_t size) {
  wasi_filesystem_types_descriptor_t file = opened(folder, name, CREATE, WRITE);
  wit_list_u8_t contents = {(uint8_t *)bytes, size};
  if (FS(write)(file, contents, 0).is_err) __builtin_trap();
  wasi_filesystem_types_descriptor_drop(file);
}

wit_string_t exports_demo_holder_api_open(void) {
  wit_list_wit_tuple2_wasi_filesystem_types_descriptor_string_t folders =
      wasi_filesystem_preopens_get_directories();
  if (!folders.len) __builtin_trap();
  root = folders.ptr[0].f0;
  if (FS(create_directory_at)(root, wit_string("held")).is_err) __builtin_trap();
  folder = opened(root, "held", WASI_FILESYSTEM_TYPES_OPEN_FLAGS_DIRECTORY, READ);
  write_file("a-text", "one-two-six-ten-", 16);
  write_file("b-empty", "", 0);
  text = opened(folder, "a-text", 0, READ);
  notes = opened(folder, "c-notes", CREATE, READ | WRITE);
  input = FS(read_via_stream)(text, 0).val.ok;
  output = FS(append_via_stream)(notes).val.ok;
  listing = FS(read_directory)(folder).val.ok;
  console = wasi_cli_stdout_get_stdout();
  over = wasi_clocks_monotonic_clock_subscribe_duration(0);
  pending = wasi_clocks_monotonic_clock_subscribe_duration(NEVER_NS);
  readable = wasi_io_streams_method_input_stream_subscribe(input);
  TELL("opened");
  return answer();
}

static void tell_bytes(void) {
  wit_result_wit_list_u8_wasi_io_streams_stream_error_t found =
      wasi_io_streams_method_input_stream_blocking_read(input, 4);
  if (found.is_err) {
    TELL("closed");
    return;
  }
  tell((const char *)found.val.ok.ptr, found.val.ok.len);
}

static void tell_name(void) {
  wit_result_wit_option_wasi_filesystem_types_directory_entry_wasi_filesystem_types_error_code_t
      found = wasi_filesystem_types_method_directory_entry_stream_read_directory_entry(listing);
  if (found.is_err) __builtin_trap();
  if (found.val.ok.is_some) tell(found.val.ok.val.name.ptr, found.val.ok.val.name.len);
  else TELL("no more");
}

wit_string_t exports_demo_holder_api_next(void) {
  char line[] = "0\n";
  line[0] += ++turn % 10;
  put(output, line, 2);
  put(console, line, 2);
  tell_bytes();
  TELL(" ");
  tell_name();
  if (wasi_io_poll_method_pollable_ready(over)) TELL(" over");
  if (wasi_io_poll_method_pollable_ready(pending)) TELL(" pending");
  if (wasi_io_poll_method_pollable_ready(readable)) TELL(" readable");
  return answer();
}

wit_string_t exports_demo_holder_api_lines(void) {
  wit_result_wit_tuple2_wit_list_u8_bool_wasi_filesystem_types_error_code_t found =
      FS(read)(notes, sizeof told, 0);
  if (found.is_err) __builtin_trap();
  tell((const char *)found.val.ok.f0.ptr, found.val.ok.f0.len);
  return answer();
}
