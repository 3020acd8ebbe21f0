/*
 * The one file that knows which commit it was built from; NUDGE_COMMIT comes from
 * the Makefile.
 */
#include <kernel/version.h>

const char nudge_version[] = "0.1";
const char nudge_commit[] = NUDGE_COMMIT;
#ifdef __clang__
const char nudge_compiler[] = "clang " __clang_version__;
#else
const char nudge_compiler[] = "gcc " __VERSION__;
#endif
