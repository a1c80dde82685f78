/* A stand-in for libnvidia-ml.so.1, for the tests of read_repro.measure.gpu_reader: boards that answer from a script,
 * the file that the environment's FAKE_NVML names. Its lines, each about the board above it:
 *   board UUID MIG LIMIT_MW          MIG: 1 on, 0 off, -1 the board has none; LIMIT_MW 0: it tells no power limit
 *   trace QUANTITY VALUE ...         utilisation, power or counter; reading k gives value k, beyond the end the last
 *   fail QUANTITY FROM UNTIL ERROR   readings that fail with this error number
 *   at READING DEED                  hang, abort or exit in that reading of the first board, counted from 0; -1: at init
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UTILISATION, POWER, COUNTER, QUANTITIES };
enum { BOARDS = 4, LENGTH = 64, NEVER = -2 };
enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6 };

typedef struct {
    char uuid[96];
    int mig;
    unsigned limit_mw;
    unsigned long long trace[QUANTITIES][LENGTH];
    int length[QUANTITIES], calls[QUANTITIES];
    int fails_from[QUANTITIES], fails_until[QUANTITIES], error[QUANTITIES];
} Board;

static Board boards[BOARDS];
static int count;
static int deed_at = NEVER;
static char deed[16];

static int quantity_of(const char *name) {
    return strcmp(name, "power") == 0 ? POWER : strcmp(name, "counter") == 0 ? COUNTER : UTILISATION;
}

static void add_trace(Board *board, char *words) {
    int quantity = quantity_of(strtok(words, " \n"));
    for (char *word = strtok(NULL, " \n"); word; word = strtok(NULL, " \n"))
        board->trace[quantity][board->length[quantity]++] = strtoull(word, NULL, 10);
}

static void add_failure(Board *board, const char *words) {
    char name[16];
    int from, until, error;
    if (sscanf(words, "%15s %d %d %d", name, &from, &until, &error) != 4) abort();
    int quantity = quantity_of(name);
    board->fails_from[quantity] = from;
    board->fails_until[quantity] = until;
    board->error[quantity] = error;
}

static void read_script(void) {
    char line[2048];
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    while (fgets(line, sizeof line, file)) {
        Board *board = &boards[count];
        if (sscanf(line, "board %95s %d %u", board->uuid, &board->mig, &board->limit_mw) == 3) count++;
        else if (strncmp(line, "trace ", 6) == 0) add_trace(board - 1, line + 6);
        else if (strncmp(line, "fail ", 5) == 0) add_failure(board - 1, line + 5);
        else sscanf(line, "at %d %15s", &deed_at, deed);
    }
    fclose(file);
}

static void do_deed(int reading) {
    if (reading != deed_at) return;
    puts("words of a library that are no answer");
    fflush(stdout);
    if (strcmp(deed, "abort") == 0) abort();
    if (strcmp(deed, "exit") == 0) exit(3);
    for (;;) pause();
}

static int answer(Board *board, int quantity, unsigned long long *value) {
    int call = board->calls[quantity]++;
    if (board == boards && quantity == UTILISATION) do_deed(call);
    if (board->length[quantity] == 0) return NOT_SUPPORTED;
    if (call >= board->fails_from[quantity] && call < board->fails_until[quantity]) return board->error[quantity];
    int last = board->length[quantity] - 1;
    *value = board->trace[quantity][call < last ? call : last];
    return SUCCESS;
}

/* What pynvml calls. */
int nvmlInitWithFlags(unsigned flags) { (void)flags; read_script(); do_deed(-1); return SUCCESS; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int error) {
    return error == NOT_SUPPORTED ? "Not Supported" : error == NOT_FOUND ? "Not Found" :
           error == 15 ? "GPU is lost" : "Unknown Error";
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Board **board) {
    for (int i = 0; i < count; i++)
        if (strcmp(boards[i].uuid, uuid) == 0) { *board = &boards[i]; return SUCCESS; }
    return NOT_FOUND;
}
int nvmlDeviceGetMigMode(Board *board, unsigned *now, unsigned *pending) {
    if (board->mig < 0) return NOT_SUPPORTED;
    *now = *pending = board->mig;
    return SUCCESS;
}
int nvmlDeviceGetEnforcedPowerLimit(Board *board, unsigned *mw) {
    if (board->limit_mw == 0) return NOT_SUPPORTED;
    *mw = board->limit_mw;
    return SUCCESS;
}
int nvmlDeviceGetUtilizationRates(Board *board, unsigned *gpu_and_memory) {
    unsigned long long value = 0;
    int error = answer(board, UTILISATION, &value);
    gpu_and_memory[0] = (unsigned)value;
    gpu_and_memory[1] = 0;
    return error;
}
int nvmlDeviceGetPowerUsage(Board *board, unsigned *mw) {
    unsigned long long value = 0;
    int error = answer(board, POWER, &value);
    *mw = (unsigned)value;
    return error;
}
int nvmlDeviceGetTotalEnergyConsumption(Board *board, unsigned long long *mj) {
    return answer(board, COUNTER, mj);
}
