"""The part of the bindings that is the same for every world: strings, and an allocator.

Where there is a C library its `malloc` is used. Where there is none (wasm32-freestanding) there is
a small one: blocks of powers of two, freed ones kept in lists by size. It never gives memory back
to the engine, as no allocator of WebAssembly can.
"""

from typing import Final

__all__ = ["ALLOCATOR", "PREAMBLE"]

PREAMBLE: Final = """\
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  char *ptr;
  size_t len;
} wit_string_t;

/* Space of `size` bytes; the program ends if there is none. Given back by `wit_free`. */
void *wit_alloc(size_t size);
void wit_free(void *pointer);

/* A text that is taken as it stands, and one that is copied to space of its own. */
wit_string_t wit_string(const char *text);
wit_string_t wit_string_copy(const char *text, size_t length);
void wit_string_free(wit_string_t *string);
"""

ALLOCATOR: Final = """\
#if __has_include(<stdlib.h>)
#include <stdlib.h>
#include <string.h>

static void *wit_realloc(void *old, size_t old_size, size_t size) {
  (void)old_size;
  return realloc(old, size);
}

void wit_free(void *pointer) { free(pointer); }

#else

#define WIT_CLASSES 32
#define WIT_HEADER 16

extern unsigned char __heap_base;
static uintptr_t wit_heap_end;
static void *wit_freed[WIT_CLASSES];

__attribute__((weak)) void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  unsigned char *t = to;
  const unsigned char *f = from;
  while (size--) *t++ = *f++;
  return to;
}

__attribute__((weak)) void *memset(void *to, int value, size_t size) {
  unsigned char *t = to;
  while (size--) *t++ = (unsigned char)value;
  return to;
}

__attribute__((weak)) void *memmove(void *to, const void *from, size_t size) {
  unsigned char *t = to;
  const unsigned char *f = from;
  if (t < f) return memcpy(to, from, size);
  while (size--) t[size] = f[size];
  return to;
}

__attribute__((weak)) int memcmp(const void *one, const void *other, size_t size) {
  const unsigned char *a = one, *b = other;
  for (size_t i = 0; i < size; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

__attribute__((weak)) size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

/* Blocks of 2^class bytes; the class stands in front of what is given out. */
static void *wit_block(size_t size) {
  unsigned class = 5;
  while (class < WIT_CLASSES && ((size_t)1 << class) - WIT_HEADER < size) class++;
  if (class == WIT_CLASSES) return 0;
  unsigned char *block = wit_freed[class];
  if (block) {
    wit_freed[class] = *(void **)(block + WIT_HEADER);
  } else {
    if (!wit_heap_end) wit_heap_end = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    uintptr_t begin = wit_heap_end, end = begin + ((uintptr_t)1 << class);
    uintptr_t there = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
    if (end < begin) return 0;
    if (end > there && __builtin_wasm_memory_grow(0, (end - there + 65535) >> 16) == (size_t)-1)
      return 0;
    wit_heap_end = end;
    block = (unsigned char *)begin;
  }
  *(unsigned *)block = class;
  return block + WIT_HEADER;
}

void wit_free(void *pointer) {
  if (!pointer) return;
  unsigned char *block = (unsigned char *)pointer - WIT_HEADER;
  unsigned class = *(unsigned *)block;
  *(void **)pointer = wit_freed[class];
  wit_freed[class] = block;
}

static void *wit_realloc(void *old, size_t old_size, size_t size) {
  void *made = wit_block(size);
  if (made && old) {
    memcpy(made, old, old_size < size ? old_size : size);
    wit_free(old);
  }
  return made;
}
#endif

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size,
                                                                size_t align, size_t size) {
  /* Nothing is anywhere, but aligned. */
  if (!size) return (void *)align;
  void *made = wit_realloc(old_size ? old : 0, old_size, size);
  if (!made) __builtin_trap();
  return made;
}

void *wit_alloc(size_t size) { return cabi_realloc(0, 0, 1, size ? size : 1); }

wit_string_t wit_string(const char *text) {
  return (wit_string_t){(char *)text, strlen(text)};
}

wit_string_t wit_string_copy(const char *text, size_t length) {
  char *copy = wit_alloc(length);
  memcpy(copy, text, length);
  return (wit_string_t){copy, length};
}

void wit_string_free(wit_string_t *string) {
  if (string->len) wit_free(string->ptr);
  *string = (wit_string_t){0, 0};
}

__attribute__((unused)) static inline int32_t wit_bits_of_f32(float value) {
  int32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

__attribute__((unused)) static inline float wit_f32_of_bits(int32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

__attribute__((unused)) static inline int64_t wit_bits_of_f64(double value) {
  int64_t bits;
  memcpy(&bits, &value, 8);
  return bits;
}

__attribute__((unused)) static inline double wit_f64_of_bits(int64_t bits) {
  double value;
  memcpy(&value, &bits, 8);
  return value;
}
"""
