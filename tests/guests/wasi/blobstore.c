/* wasi:blobstore, wasi:config and wasi:logging, called in every way. */

#include "told.h"

#define IN(name) wasi_blobstore_container_method_container_##name
#define NAMES(name) wasi_blobstore_container_method_stream_object_names_##name##_stream_object_names
#define INCOMING(name) wasi_blobstore_types_method_incoming_value_##name

static wasi_blobstore_container_container_t box;

static void put(wasi_blobstore_container_container_t where, const char *name, wit_list_u8_t bytes) {
  wasi_blobstore_types_outgoing_value_t value =
      wasi_blobstore_types_static_outgoing_value_new_outgoing_value();
  wasi_io_streams_output_stream_t out =
      OK(wasi_blobstore_types_method_outgoing_value_outgoing_value_write_body(value));
  DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(out, bytes));
  wasi_io_streams_output_stream_drop(out);
  SAY_ERR(IN(write_data)(where, wit_string(name), value));
  wasi_blobstore_types_outgoing_value_drop(value);
}

static void say_names(void) {
  __auto_type names = OK(IN(list_objects)(box));
  __auto_type found = OK(NAMES(read)(names, 100));
  for (size_t i = 0; i < found.f0.len; i++) SAY_STRING(found.f0.ptr[i]);
  say_bool(found.f1);
  wasi_blobstore_container_stream_object_names_drop(names);
}

static void objects(void) {
  box = OK(wasi_blobstore_blobstore_create_container(TEXT("box")));
  SAY_STRING(OK(IN(name)(box)));
  SAY_STRING(OK(IN(info)(box)).name);
  put(box, "a", BYTES("0123456789"));
  put(box, "b", BYTES("bbb"));
  __auto_type part = OK(IN(get_data)(box, TEXT("a"), 2, 4));
  say_number(INCOMING(size)(part));
  SAY_BYTES(OK(INCOMING(incoming_value_consume_sync)(part)));
  wasi_blobstore_types_incoming_value_drop(part);
  __auto_type whole = OK(IN(get_data)(box, TEXT("a"), 0, ~0ull));
  wasi_io_streams_input_stream_t in = OK(INCOMING(incoming_value_consume_async)(whole));
  SAY_BYTES(OK(wasi_io_streams_method_input_stream_blocking_read(in, 100)));
  wasi_io_streams_input_stream_drop(in);
  wasi_blobstore_types_incoming_value_drop(whole);
  say_bool(OK(IN(has_object)(box, TEXT("a"))));
  say_number(OK(IN(object_info)(box, TEXT("b"))).size);
  __auto_type names = OK(IN(list_objects)(box));
  say_number(OK(NAMES(skip)(names, 1)).f0);
  SAY_STRING(OK(NAMES(read)(names, 1)).f0.ptr[0]);
  wasi_blobstore_container_stream_object_names_drop(names);
}

static void containers(void) {
  wasi_blobstore_container_container_t other =
      OK(wasi_blobstore_blobstore_create_container(TEXT("other")));
  wasi_blobstore_types_object_id_t a = {TEXT("box"), TEXT("a")}, copy = {TEXT("other"), TEXT("c")},
                                   back = {TEXT("box"), TEXT("d")};
  DONE(wasi_blobstore_blobstore_copy_object(a, copy));
  DONE(wasi_blobstore_blobstore_move_object(copy, back));
  say_names();
  DONE(IN(delete_object)(box, TEXT("a")));
  wit_string_t both[] = {TEXT("a"), TEXT("b")};
  DONE(IN(delete_objects)(box, (wit_list_string_t){both, 2}));
  say_names();
  put(other, "k", BYTES("x"));
  DONE(IN(clear)(other));
  wasi_blobstore_container_container_drop(other);
  DONE(wasi_blobstore_blobstore_delete_container(TEXT("other")));
  say_bool(OK(wasi_blobstore_blobstore_container_exists(TEXT("other"))));
  wasi_blobstore_container_container_drop(OK(wasi_blobstore_blobstore_get_container(TEXT("box"))));
}

static void errors(void) {
  SAY_ERR(IN(get_data)(box, TEXT("none"), 0, 1));
  SAY_ERR(IN(object_info)(box, TEXT("none")));
  SAY_ERR(wasi_blobstore_blobstore_get_container(TEXT("none")));
  SAY_ERR(wasi_blobstore_blobstore_create_container(TEXT("")));
  wasi_blobstore_types_object_id_t none = {TEXT("box"), TEXT("none")};
  SAY_ERR(wasi_blobstore_blobstore_copy_object(none, none));
  put(box, "", BYTES("x"));
}

static void others(void) {
  wasi_logging_logging_log(WASI_LOGGING_LOGGING_LEVEL_WARN, TEXT("there"), TEXT("a line"));
  say_bool(OK(wasi_config_store_get(TEXT("none"))).is_some);
  say_bool(OK(wasi_config_store_get_all()).len < 100);
}

PARTS({"objects", objects}, {"containers", containers}, {"errors", errors}, {"others", others})
