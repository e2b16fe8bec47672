/* Over the generated bindings, printing by WASI preview 1 without a C library. */

#include "tongue.h"

typedef struct {
  const char *ptr;
  size_t len;
} piece;

__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write")))
extern int32_t fd_write(int32_t fd, const piece *pieces, size_t count, size_t *written);

static uint64_t total;

uint64_t exports_demo_tongue_api_add(uint64_t value) { return total += value; }

uint64_t exports_demo_tongue_api_get(void) { return total; }

static size_t put(char *to, size_t at, const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) to[at + i] = text[i];
  return at + length;
}

static size_t put_number(char *to, size_t at, uint32_t number) {
  char digits[10];
  size_t first = sizeof digits;
  do digits[--first] = '0' + number % 10;
  while (number /= 10);
  return put(to, at, digits + first, sizeof digits - first);
}

wit_result_string_string_t exports_demo_tongue_api_describe(
    wit_list_demo_tongue_api_item_t items) {
  if (!items.len)
    return (wit_result_string_string_t){.is_err = true,
                                        .val.err = wit_string_copy("no items", 8)};
  size_t size = 0, length = 0;
  for (size_t i = 0; i < items.len; i++) size += items.ptr[i].name.len + 16;
  char *text = wit_alloc(size);
  for (size_t i = 0; i < items.len; i++) {
    if (i) length = put(text, length, ", ", 2);
    length = put_number(text, length, items.ptr[i].quantity);
    length = put(text, length, " x ", 3);
    length = put(text, length, items.ptr[i].name.ptr, items.ptr[i].name.len);
  }
  wit_list_demo_tongue_api_item_free(&items);
  return (wit_result_string_string_t){.val.ok = {text, length}};
}

wit_option_demo_tongue_api_shape_t exports_demo_tongue_api_turn(demo_tongue_api_shape_t given) {
  wit_option_demo_tongue_api_shape_t turned = {.is_some = true, .val = given};
  if (given.tag == DEMO_TONGUE_API_SHAPE_NOTHING) turned.is_some = false;
  if (given.tag == DEMO_TONGUE_API_SHAPE_CIRCLE) turned.val.val.circle = -given.val.circle;
  return turned;
}

void exports_demo_tongue_api_say(wit_string_t text) {
  piece pieces[] = {{text.ptr, text.len}, {"\n", 1}};
  size_t written;
  if (fd_write(1, pieces, 2, &written) || written != text.len + 1) __builtin_trap();
  wit_string_free(&text);
}

void exports_demo_tongue_api_fail(void) { __builtin_trap(); }
