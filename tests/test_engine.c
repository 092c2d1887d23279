#include "test.h"
#include "vyre.h"
#include <pthread.h>
static vyre_backend backend = VYRE_BACKEND_CPU;

static void quick(void)
{
    vyre_error err; memset(&err,0,sizeof err);
    vyre_desc d; memset(&d,0,sizeof d); d.backend=backend;
    vyre *v = vyre_open(&d, &err);
    if (!v) { printf("%s\n", err.text); CHECK(v); }
    vyre_work w; memset(&w,0,sizeof w); w.opcode=VYRE_OP_ATOMIC_ADD; w.arg_count=2; w.args[0]=42; w.args[1]=160;
    vyre_ticket t;
    CHECK_EQ(vyre_publish(v,&w,&t,&err), VYRE_OK);
    CHECK_EQ(vyre_poll(v,t), VYRE_PENDING);
    CHECK_EQ(vyre_wait(v,t,1000000000,&err), VYRE_OK);
    CHECK_EQ(vyre_start(v,&err), VYRE_OK);
    for (int i=0;i<1000;i++){
    CHECK_EQ(vyre_publish(v,&w,&t,&err), VYRE_OK);
    CHECK_EQ(vyre_wait(v,t,1000000000,&err), VYRE_OK);
    }
    uint32_t x=0;
    CHECK_EQ(vyre_observable(v,0,&x,&err), VYRE_OK);
    CHECK_EQ(x, 42*1001);
    CHECK_EQ(vyre_stop(v,1000000000,&err), VYRE_OK);
    static vyre_work ws[5000];
    for (int i=0;i<5000;i++) ws[i]=w;
    vyre_stats s;
    CHECK_EQ(vyre_run(v, ws, 5000, &s, &err), VYRE_OK);
    CHECK_EQ(s.done, 5000);
    CHECK_EQ(vyre_observable(v,0,&x,&err), VYRE_OK);
    CHECK_EQ(x, 42*6001);
    vyre_close(v);
}
int main(void){ RUN(quick); return test_end(); }
