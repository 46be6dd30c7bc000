/* All stored versions of one key. */
#ifndef MOSSSCOPE_VERSIONS_H
#define MOSSSCOPE_VERSIONS_H

#include "view.h"

/* What --key and --all-versions ask for; a as dump has it. */
enum scope_exit versions_show(const struct args *a, const struct view *v);

#endif
