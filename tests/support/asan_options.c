/* What the address sanitizer's build asks of its run time, in every program of ours: ASAN_OPTIONS says otherwise.
 *
 * intercept_tls_get_addr=0: GCC's run time keeps a list of the thread-local blocks of modules that were opened later,
 * libtorch among them. It takes a block that begins 16 bytes into a page for one of an old glibc with a header before it,
 * believes what stands there, and the leak checker then reads from nowhere ("Tracer caught signal 11: addr=0xe8"), in
 * one run of many, as the addresses fall. Without the list the blocks are still searched for pointers: the linker
 * allocated them, and what it did counts as reachable (use_ld_allocations). */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "intercept_tls_get_addr=0"; }
