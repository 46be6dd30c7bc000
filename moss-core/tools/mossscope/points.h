/* Commit points as text and JSON. */
#ifndef MOSSSCOPE_POINTS_H
#define MOSSSCOPE_POINTS_H

#include "json_out.h"
#include "view.h"

/* The path of a collection of f. */
void point_path(const struct footer *f, const struct footer_coll *coll,
                struct path *path);
/* Its segments added up. */
struct segment_totals point_totals(const struct footer_coll *coll);

/*
 * The commit point @n: one line, or an object; with details its collections
 * and segments, too.
 */
void point_put_text(const struct footer *f, uint64_t n, bool details);
void point_put_json(struct json_out *w, const struct footer *f, uint64_t n,
                    bool details);

/* The newest commit points, at most max of them. */
enum scope_exit points_list(const struct args *a, const struct view *v,
                            uint64_t max, bool details);

#endif
