// The load-test guest: the counter's interface in C, without a C library, with the canonical ABI
// by hand. All state is static, so a call costs what it computes and an instance a few pages.

#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

#define ARENA_BYTES (64 * 1024)
#define PUBLISHERS_MAX 64
#define PAGE_BYTES 65536
#define PAGES_MAX 65536
#define ROUNDS_PER_MS 600000
#define WRITE_BYTES_MAX 4096

typedef struct { const char *text; uint32_t length; } string;
typedef struct { string name; uint32_t quantity; double price; } item;
typedef struct { uint8_t is_error; string text; } text_result;
typedef struct { uint64_t seconds; uint32_t nanoseconds; } datetime;

IMPORT("wasi:random/random@0.2.0", "get-random-u64") uint64_t random_u64(void);
IMPORT("wasi:clocks/wall-clock@0.2.0", "now") void wall_now(datetime *out);
IMPORT("wasi:clocks/monotonic-clock@0.2.0", "subscribe-duration") int32_t sleep_for(uint64_t ns);
IMPORT("wasi:io/poll@0.2.0", "[method]pollable.block") void pollable_block(int32_t pollable);
IMPORT("wasi:io/poll@0.2.0", "[resource-drop]pollable") void pollable_drop(int32_t pollable);
IMPORT("wasi:cli/stdout@0.2.0", "get-stdout") int32_t get_stdout(void);
IMPORT("wasi:io/streams@0.2.0", "[method]output-stream.blocking-write-and-flush")
void stream_write(int32_t stream, const char *bytes, uint32_t length, uint8_t *result);

static uint64_t total, drawn, kept, violations;
static uint64_t newest[PUBLISHERS_MAX];
static text_result answer;

// Arguments and the answer of one call live here; the end of the call frees them all at once.
static char arena[ARENA_BYTES];
static uint32_t used;

static void *allocate(uint32_t align, uint32_t size) {
  uint32_t start = (used + align - 1) & ~(align - 1);
  if (size > ARENA_BYTES || start > ARENA_BYTES - size) __builtin_trap();
  used = start + size;
  return arena + start;
}

static void append_text(const char *text, uint32_t length) {
  char *to = allocate(1, length);
  for (uint32_t i = 0; i < length; i++) to[i] = text[i];
}

static void append_number(uint64_t value, int digits_min) {
  char digits[20];
  int count = 0;
  while (value || count < digits_min) {
    digits[19 - count++] = (char)('0' + value % 10);
    value /= 10;
  }
  append_text(digits + 20 - count, (uint32_t)count);
}

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, uint32_t old_size, uint32_t align, uint32_t size) {
  char *fresh = allocate(align, size);
  for (uint32_t i = 0; i < old_size && i < size; i++) fresh[i] = ((char *)old)[i];
  return fresh;
}

EXPORT("demo:counter/api#add") uint64_t add(uint64_t value) { return total += value; }

EXPORT("demo:counter/api#get") uint64_t get(void) { return total; }

EXPORT("demo:counter/api#roll") uint64_t roll(void) { return drawn = random_u64(); }

EXPORT("demo:counter/api#rolled") uint64_t rolled(void) { return drawn; }

EXPORT("demo:counter/api#now") uint64_t now(void) {
  datetime time;
  wall_now(&time);
  return time.seconds * 1000 + time.nanoseconds / 1000000;
}

EXPORT("demo:counter/api#describe") text_result *describe(const item *items, uint32_t count) {
  double due = 0;
  if (!count) {
    answer = (text_result){1, {"no items", 8}};
    return &answer;
  }
  const char *start = allocate(1, 0);
  for (uint32_t i = 0; i < count; i++) {
    if (i) append_text(", ", 2);
    append_number(items[i].quantity, 1);
    append_text(" x ", 3);
    append_text(items[i].name.text, items[i].name.length);
    due += items[i].quantity * items[i].price;
  }
  uint64_t cents = (uint64_t)(due * 100 + 0.5);
  append_text(": ", 2);
  append_number(cents / 100, 1);
  append_text(".", 1);
  append_number(cents % 100, 2);
  answer = (text_result){0, {start, (uint32_t)(arena + used - start)}};
  return &answer;
}

EXPORT("cabi_post_demo:counter/api#describe") void describe_done(text_result *result) {
  (void)result;
  used = 0;
}

EXPORT("demo:counter/api#say") void say(const char *text, uint32_t length) {
  static int32_t out = -1;
  static uint8_t result[12];
  if (out < 0) out = get_stdout();
  const char *line = allocate(1, 0);
  append_text(text, length);
  append_text("\n", 1);
  for (uint32_t done = 0; done <= length; done += WRITE_BYTES_MAX) {
    uint32_t rest = length + 1 - done;
    stream_write(out, line + done, rest < WRITE_BYTES_MAX ? rest : WRITE_BYTES_MAX, result);
    if (result[0]) __builtin_trap();
  }
  used = 0;
}

EXPORT("demo:counter/api#nap") uint64_t nap(uint64_t ms) {
  int32_t pollable = sleep_for(ms * 1000000);
  pollable_block(pollable);
  pollable_drop(pollable);
  return total;
}

EXPORT("demo:counter/api#fail") void fail(void) { __builtin_trap(); }

EXPORT("demo:counter/api#busy") uint64_t busy(uint64_t ms) {
  uint64_t value = 88172645463325252u;
  for (uint64_t round = ms * ROUNDS_PER_MS; round; round--) {
    value ^= value << 13;
    value ^= value >> 7;
    value ^= value << 17;
  }
  return value;
}

EXPORT("demo:counter/api#grow") uint64_t grow(uint64_t bytes) {
  uint64_t pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
  // The arena is static, so nothing else ever grows the memory.
  if (pages > PAGES_MAX) __builtin_trap();
  if (__builtin_wasm_memory_grow(0, (uint32_t)pages) == (uint32_t)-1) __builtin_trap();
  return kept += bytes;
}

EXPORT("demo:load/check#step") uint64_t step(uint32_t publisher, uint64_t n) {
  if (publisher >= PUBLISHERS_MAX) __builtin_trap();
  if (n != newest[publisher] + 1) violations++;
  newest[publisher] = n;
  return violations;
}

EXPORT("demo:load/check#trap") void trap(void) { __builtin_trap(); }
