/* wasi:keyvalue 0.2, called in every way. */

#include "told.h"

#define BUCKET(name) wasi_keyvalue_store_method_bucket_##name

static wasi_keyvalue_store_bucket_t bucket;

static void say_found(wit_option_wit_list_u8_t found) {
  if (found.is_some) SAY_BYTES(found.val);
  else say("none");
}

static void store(void) {
  bucket = OK(wasi_keyvalue_store_open(TEXT("orders")));
  DONE(BUCKET(set)(bucket, TEXT("a"), BYTES("1")));
  say_found(OK(BUCKET(get)(bucket, TEXT("a"))));
  say_found(OK(BUCKET(get)(bucket, TEXT("none"))));
  say_bool(OK(BUCKET(exists)(bucket, TEXT("a"))));
  DONE(BUCKET(set)(bucket, TEXT("b"), BYTES("2")));
  DONE(BUCKET(delete)(bucket, TEXT("b")));
  say_bool(OK(BUCKET(exists)(bucket, TEXT("b"))));
  __auto_type listed = OK(BUCKET(list_keys)(bucket, (wit_option_string_t){0}));
  for (size_t i = 0; i < listed.keys.len; i++) SAY_STRING(listed.keys.ptr[i]);
  say_bool(listed.cursor.is_some);
}

static void atomics(void) {
  say_number(OK(wasi_keyvalue_atomics_increment(bucket, TEXT("n"), 5)));
  say_number(OK(wasi_keyvalue_atomics_increment(bucket, TEXT("n"), -7)));
  wasi_keyvalue_atomics_cas_t one = OK(wasi_keyvalue_atomics_static_cas_new(bucket, TEXT("a")));
  say_found(OK(wasi_keyvalue_atomics_method_cas_current(one)));
  wasi_keyvalue_atomics_cas_t late = OK(wasi_keyvalue_atomics_static_cas_new(bucket, TEXT("a")));
  SAY_CASE(wasi_keyvalue_atomics_swap(one, BYTES("3")));
  __auto_type lost = wasi_keyvalue_atomics_swap(late, BYTES("4"));
  SAY_CASE(lost);
  say_found(OK(wasi_keyvalue_atomics_method_cas_current(lost.val.err.val.cas_failed)));
  wasi_keyvalue_atomics_cas_drop(lost.val.err.val.cas_failed);
}

static void batch(void) {
  wit_tuple2_string_wit_list_u8_t pairs[] = {{TEXT("x"), BYTES("7")}, {TEXT("y"), BYTES("8")}};
  DONE(wasi_keyvalue_batch_set_many(bucket,
                                    (wit_list_wit_tuple2_string_wit_list_u8_t){pairs, 2}));
  wit_string_t keys[] = {TEXT("x"), TEXT("none"), TEXT("y")};
  __auto_type found = OK(wasi_keyvalue_batch_get_many(bucket, (wit_list_string_t){keys, 3}));
  for (size_t i = 0; i < found.len; i++) {
    SAY_STRING(found.ptr[i].f0);
    say_found(found.ptr[i].f1);
  }
  DONE(wasi_keyvalue_batch_delete_many(bucket, (wit_list_string_t){keys, 3}));
}

static void errors(void) {
  static char long_name[600];
  for (size_t i = 0; i < sizeof long_name; i++) long_name[i] = 'x';
  wit_string_t too_long = {long_name, sizeof long_name};
  SAY_CASE(wasi_keyvalue_store_open(TEXT("")));
  SAY_CASE(BUCKET(set)(bucket, too_long, BYTES("1")));
  SAY_CASE(BUCKET(get)(bucket, too_long));
  DONE(BUCKET(set)(bucket, TEXT("word"), BYTES("no number")));
  SAY_CASE(wasi_keyvalue_atomics_increment(bucket, TEXT("word"), 1));
  SAY_CASE(wasi_keyvalue_atomics_static_cas_new(bucket, too_long));
}

PARTS({"store", store}, {"atomics", atomics}, {"batch", batch}, {"errors", errors})
