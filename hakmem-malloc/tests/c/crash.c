/* Ends by a wild write. */
#include <stddef.h>

int main(void) {
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
    return 0;
}
