/* A stand-in for libnvidia-ml.so.1, for the tests of read_repro.measure.energy_meter: boards that answer from a given trace.
 * Reading k of a quantity gives value k of its trace, and beyond its end the last one. */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { UTILISATION, POWER, COUNTER, QUANTITIES };
enum { BOARDS = 4, LENGTH = 64 };
enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6 };

typedef struct {
    char uuid[96];
    int mig; /* MIG mode on, as nvmlDeviceGetMigMode tells */
    unsigned limit_mw;
    unsigned long long trace[QUANTITIES][LENGTH];
    int length[QUANTITIES], calls[QUANTITIES];
    int fails_from[QUANTITIES], fails_until[QUANTITIES], error[QUANTITIES];
} Board;

static Board boards[BOARDS];
static int count;
static volatile int hanging;

/* What a test sets up. */
void fake_reset(void) { memset(boards, 0, sizeof boards); count = 0; hanging = 0; }
void fake_add(const char *uuid, int mig, unsigned limit_mw) {
    Board *board = &boards[count++];
    strncpy(board->uuid, uuid, sizeof board->uuid - 1);
    board->mig = mig;
    board->limit_mw = limit_mw;
}
void fake_trace(int i, int quantity, const unsigned long long *values, int length) {
    memcpy(boards[i].trace[quantity], values, length * sizeof *values);
    boards[i].length[quantity] = length;
}
void fake_fail(int i, int quantity, int from, int until, int error) {
    boards[i].fails_from[quantity] = from;
    boards[i].fails_until[quantity] = until;
    boards[i].error[quantity] = error;
}
void fake_hang(int on) { hanging = on; }
int fake_calls(int i) { return boards[i].calls[UTILISATION]; }

static int answer(Board *board, int quantity, unsigned long long *value) {
    while (hanging) usleep(1000);
    int call = board->calls[quantity]++;
    if (board->length[quantity] == 0) return NOT_SUPPORTED;
    if (call >= board->fails_from[quantity] && call < board->fails_until[quantity]) return board->error[quantity];
    int last = board->length[quantity] - 1;
    *value = board->trace[quantity][call < last ? call : last];
    return SUCCESS;
}

/* What pynvml calls. */
int nvmlInitWithFlags(unsigned flags) { (void)flags; return SUCCESS; }
int nvmlInit_v2(void) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int error) {
    return error == NOT_SUPPORTED ? "Not Supported" : error == NOT_FOUND ? "Not Found" :
           error == 15 ? "GPU is lost" : "Unknown Error";
}
int nvmlDeviceGetCount_v2(unsigned *n) { *n = count; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Board **board) {
    if ((int)i >= count) return NOT_FOUND;
    *board = &boards[i];
    return SUCCESS;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Board **board) {
    for (int i = 0; i < count; i++)
        if (strcmp(boards[i].uuid, uuid) == 0) { *board = &boards[i]; return SUCCESS; }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(Board *board, char *uuid, unsigned length) {
    strncpy(uuid, board->uuid, length);
    return SUCCESS;
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
