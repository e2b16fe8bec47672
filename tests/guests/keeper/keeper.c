/* A number that is saved in words of its own, and memory as it is asked for: over the generated
   bindings, without a C library. */

#include "keeper.h"

static uint64_t total;
static uint32_t loaded;
static size_t kept;

uint64_t exports_demo_keeper_api_add(uint64_t value) { return total += value; }

uint64_t exports_demo_keeper_api_get(void) { return total; }

uint32_t exports_demo_keeper_api_loads(void) { return loaded; }

uint32_t exports_demo_keeper_api_keep(uint32_t size) {
  volatile char *bytes = wit_alloc(size);
  bytes[size - 1] = 1;
  return (uint32_t)(kept += size);
}

bool exports_demo_keeper_api_has_room(uint32_t size) {
  return __builtin_wasm_memory_grow(0, (size + 65535) >> 16) != (size_t)-1;
}

void exports_demo_keeper_api_spoil(void) { __builtin_trap(); }

/* The number in decimal digits. It cannot be said while it is 13, and nobody believes a 17. */
wit_list_u8_t exports_golem_api_save_snapshot_save(void) {
  uint8_t digits[20];
  size_t first = sizeof digits;
  uint64_t rest = total;
  if (total == 13) __builtin_trap();
  do digits[--first] = '0' + rest % 10;
  while (rest /= 10);
  wit_list_u8_t words = {wit_alloc(sizeof digits - first), sizeof digits - first};
  for (size_t i = 0; i < words.len; i++) words.ptr[i] = digits[first + i];
  return words;
}

wit_result_void_string_t exports_golem_api_load_snapshot_load(wit_list_u8_t bytes) {
  loaded++;
  total = 0;
  for (size_t i = 0; i < bytes.len; i++) total = total * 10 + bytes.ptr[i] - '0';
  wit_list_u8_free(&bytes);
  if (total == 17) return (wit_result_void_string_t){.is_err = true, .val.err = wit_string("17?")};
  return (wit_result_void_string_t){.is_err = false};
}
