/*
 * The entry point: .load moss, sqlite3_load_extension(), or a call of
 * sqlite3_moss_init() with a NULL api in a program that links the extension
 * statically (built with SQLITE_CORE).
 */
#include "ext.h"

#include "function.h"

SQLITE_EXTENSION_INIT1

/* sqlite3_vtab_in() and its like came with 3.38. */
#define OLDEST_SQLITE 3038000

int sqlite3_moss_init(sqlite3 *db, char **err, const sqlite3_api_routines *api);

MOSS_API int
sqlite3_moss_init(sqlite3 *db, char **err, const sqlite3_api_routines *api)
{
    struct conn *conn;
    int rc;

    SQLITE_EXTENSION_INIT2(api)
    if (sqlite3_libversion_number() < OLDEST_SQLITE) {
        if (err != NULL)
            *err =
                sqlite3_mprintf("moss wants SQLite 3.38 or newer, this is %s",
                                sqlite3_libversion());
        return SQLITE_ERROR;
    }
    if (conn_is_loaded(db))
        return SQLITE_OK;
    rc = conn_new(db, &conn);
    if (rc != SQLITE_OK)
        return rc;
    /* The module's reference goes with it, also if this fails. */
    rc = sqlite3_create_module_v2(db, "moss", &moss_module, conn, conn_unload);
    if (rc == SQLITE_OK)
        rc = functions_register(db, conn);
    if (rc == SQLITE_OK)
        rc = backup_register(db, conn);
    /* Half of it is not loaded. */
    if (rc != SQLITE_OK)
        (void)sqlite3_create_module_v2(db, "moss", NULL, NULL, NULL);
    return rc;
}
