/* wasi:keyvalue 0.1, called in every way. */

#include "told.h"

#define OUTGOING(name) wasi_keyvalue_types_method_outgoing_value_outgoing_value_##name
#define INCOMING(name) wasi_keyvalue_types_method_incoming_value_incoming_value_##name
#define FUTURE(of, name) wasi_keyvalue_cache_method_future_##of##_##name

typedef wasi_keyvalue_types_outgoing_value_t value_t;

static wasi_keyvalue_types_bucket_t bucket;
static wit_list_u8_t kept;

static value_t value_of(wit_list_u8_t bytes) {
  value_t value = wasi_keyvalue_types_static_outgoing_value_new_outgoing_value();
  if (OUTGOING(write_body_sync)(value, bytes).is_err) __builtin_trap();
  return value;
}

static void wait_for(wasi_io_poll_pollable_t one) {
  wasi_io_poll_method_pollable_block(one);
  wasi_io_poll_pollable_drop(one);
}

static void say_value(wasi_keyvalue_types_incoming_value_t value) {
  SAY_BYTES(OK(INCOMING(consume_sync)(value)));
  wasi_keyvalue_types_incoming_value_drop(value);
}

static void eventual(void) {
  bucket = OK(wasi_keyvalue_types_static_bucket_open_bucket(TEXT("old")));
  value_t value = wasi_keyvalue_types_static_outgoing_value_new_outgoing_value();
  wasi_io_streams_output_stream_t out = OK(OUTGOING(write_body_async)(value));
  DONE(wasi_io_streams_method_output_stream_blocking_write_and_flush(out, BYTES("one")));
  wasi_io_streams_output_stream_drop(out);
  DONE(wasi_keyvalue_eventual_set(bucket, TEXT("k"), value));
  wasi_keyvalue_types_outgoing_value_drop(value);
  say_bool(OK(wasi_keyvalue_eventual_exists(bucket, TEXT("k"))));
  say_bool(OK(wasi_keyvalue_eventual_get(bucket, TEXT("none"))).is_some);
  __auto_type found = OK(wasi_keyvalue_eventual_get(bucket, TEXT("k"))).val;
  say_number(OK(INCOMING(size)(found)));
  wasi_io_streams_input_stream_t in = OK(INCOMING(consume_async)(found));
  kept = OK(wasi_io_streams_method_input_stream_blocking_read(in, 100));
  wasi_io_streams_input_stream_drop(in);
  wasi_keyvalue_types_incoming_value_drop(found);
  DONE(wasi_keyvalue_eventual_delete(bucket, TEXT("k")));
  say_bool(OK(wasi_keyvalue_eventual_exists(bucket, TEXT("k"))));
}

static void again(void) { SAY_BYTES(kept); }

static void batch(void) {
  value_t one = value_of(BYTES("1")), two = value_of(BYTES("2"));
  wit_tuple2_string_borrow_wasi_keyvalue_types_outgoing_value_t pairs[] = {{TEXT("x"), one},
                                                                            {TEXT("y"), two}};
  DONE(wasi_keyvalue_eventual_batch_set_many(
      bucket, (wit_list_wit_tuple2_string_borrow_wasi_keyvalue_types_outgoing_value_t){pairs, 2}));
  wasi_keyvalue_types_outgoing_value_drop(one);
  wasi_keyvalue_types_outgoing_value_drop(two);
  wit_list_string_t all = OK(wasi_keyvalue_eventual_batch_keys(bucket));
  for (size_t i = 0; i < all.len; i++) SAY_STRING(all.ptr[i]);
  wit_string_t keys[] = {TEXT("x"), TEXT("none"), TEXT("y")};
  __auto_type found =
      OK(wasi_keyvalue_eventual_batch_get_many(bucket, (wit_list_string_t){keys, 3}));
  for (size_t i = 0; i < found.len; i++)
    if (found.ptr[i].is_some) say_value(found.ptr[i].val);
    else say("none");
  DONE(wasi_keyvalue_eventual_batch_delete_many(bucket, (wit_list_string_t){keys, 3}));
}

static void atomic(void) {
  say_number(OK(wasi_keyvalue_atomic_increment(bucket, TEXT("n"), 4)));
  say_bool(OK(wasi_keyvalue_atomic_compare_and_swap(bucket, TEXT("n"), 4, 9)));
  say_bool(OK(wasi_keyvalue_atomic_compare_and_swap(bucket, TEXT("n"), 4, 1)));
}

static void errors(void) {
  static char long_name[600];
  for (size_t i = 0; i < sizeof long_name; i++) long_name[i] = 'x';
  wit_string_t too_long = {long_name, sizeof long_name};
  __auto_type failed = wasi_keyvalue_types_static_bucket_open_bucket(too_long);
  say_bool(failed.is_err);
  say_bool(wasi_keyvalue_wasi_keyvalue_error_method_error_trace(failed.val.err).len > 0);
  wasi_keyvalue_wasi_keyvalue_error_error_drop(failed.val.err);
  SAY_ERR(wasi_keyvalue_eventual_get(bucket, too_long));
  value_t value = value_of(BYTES("word"));
  SAY_ERR(wasi_keyvalue_eventual_set(bucket, too_long, value));
  DONE(wasi_keyvalue_eventual_set(bucket, TEXT("word"), value));
  SAY_ERR(wasi_keyvalue_atomic_increment(bucket, TEXT("word"), 1));
}

static void cache(void) {
  value_t value = value_of(BYTES("v"));
  __auto_type set = wasi_keyvalue_cache_set(TEXT("k"), value, (wit_option_u32_t){true, 3600000});
  wait_for(FUTURE(result, listen_to_future_result)(set));
  DONE(FUTURE(result, future_result_get)(set).val);
  wasi_keyvalue_cache_future_result_drop(set);
  wasi_keyvalue_types_outgoing_value_drop(value);
  __auto_type got = wasi_keyvalue_cache_get(TEXT("k"));
  wait_for(FUTURE(get_result, listen_to_future_get_result)(got));
  say_value(OK(FUTURE(get_result, future_get_result_get)(got).val).val);
  wasi_keyvalue_cache_future_get_result_drop(got);
  __auto_type exists = wasi_keyvalue_cache_exists(TEXT("k"));
  wait_for(FUTURE(exists_result, listen_to_future_exists_result)(exists));
  say_bool(OK(FUTURE(exists_result, future_exists_result_get)(exists).val));
  wasi_keyvalue_cache_future_exists_result_drop(exists);
}

static void filled(void) {
  __auto_type vacant = wasi_keyvalue_cache_get_or_set(TEXT("s"));
  wait_for(FUTURE(get_or_set_result, listen_to_future_get_or_set_result)(vacant));
  __auto_type entry = OK(FUTURE(get_or_set_result, future_get_or_set_result_get)(vacant).val);
  say_number(entry.tag);
  value_t value =
      wasi_keyvalue_cache_method_vacancy_vacancy_fill(entry.val.vacant, (wit_option_u32_t){0});
  DONE(OUTGOING(write_body_sync)(value, BYTES("filled")));
  wasi_keyvalue_types_outgoing_value_drop(value);
  wasi_keyvalue_cache_vacancy_drop(entry.val.vacant);
  wasi_keyvalue_cache_future_get_or_set_result_drop(vacant);
  __auto_type taken = wasi_keyvalue_cache_get_or_set(TEXT("s"));
  wait_for(FUTURE(get_or_set_result, listen_to_future_get_or_set_result)(taken));
  entry = OK(FUTURE(get_or_set_result, future_get_or_set_result_get)(taken).val);
  say_number(entry.tag);
  say_value(entry.val.occupied);
  wasi_keyvalue_cache_future_get_or_set_result_drop(taken);
  __auto_type gone = wasi_keyvalue_cache_delete(TEXT("k"));
  wait_for(FUTURE(result, listen_to_future_result)(gone));
  DONE(FUTURE(result, future_result_get)(gone).val);
  wasi_keyvalue_cache_future_result_drop(gone);
}

PARTS({"eventual", eventual}, {"again", again}, {"batch", batch}, {"atomic", atomic},
      {"errors", errors}, {"cache", cache}, {"filled", filled})
