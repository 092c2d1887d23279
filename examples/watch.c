/* A live screen of one handle, or its numbers for Prometheus.
 *
 *     watch [cpu | vulkan [SECONDS [PORT | screen]]]
 *
 * A thread publishes 20,000 jobs in bursts.  Meanwhile one line a second is printed
 * to stderr; or, with `screen`, a picture that is drawn anew ten times a second.  With a
 * port http://127.0.0.1:PORT/metrics answers with the text that Prometheus reads.  Ends
 * after so many seconds (default: 2). */
#define _POSIX_C_SOURCE 200112L
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define JOBS 20000u

static void *publish_jobs(void *user)
{
    vyre *v = (vyre *)user;
    vyre_work work = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2, { 1 } };
    work.args[1] = VYRE_CONTROL_OBSERVABLES;
    for (uint32_t i = 0; i < JOBS;) {
        const vyre_status status = vyre_publish(v, &work, NULL, NULL);
        if (status < 0)
            return NULL;
        i += status == VYRE_OK;
        if (status == VYRE_FULL || i % 1000 == 0)
            vyre_drain(v, VYRE_FOREVER, NULL);
        if (i % 5000 == 0)
            poll(NULL, 0, 200);
    }
    return NULL;
}

/* -1: no port is wanted, or none to be had. */
static int serve(const char *port)
{
    struct sockaddr_in address;
    const int on = 1, server = port ? socket(AF_INET, SOCK_STREAM, 0) : -1;
    if (server < 0)
        return -1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(port));
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 4) == 0)
        return server;
    perror("watch: the port");
    close(server);
    return -1;
}

/* Whoever connects gets a look; what they ask for is not read any further. */
static void answer(int server, vyre *v)
{
    char text[8192], request[1024], head[128];
    vyre_watch w;
    const int client = accept(server, NULL, NULL);
    if (client < 0 || vyre_watch_live(v, VYRE_WATCH_DEVICE, &w, NULL) < 0)
        return;
    const size_t length = vyre_watch_text(&w, "watch", text, sizeof text);
    snprintf(head, sizeof head, "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
             "Content-Length: %lu\r\n\r\n", (unsigned long)length);
    struct pollfd asks = { client, POLLIN, 0 };
    if (poll(&asks, 1, 1000) == 1 && read(client, request, sizeof request) > 0 &&
        write(client, head, strlen(head)) > 0 && write(client, text, length) < 0)
        perror("watch: the answer");
    close(client);
}

/* --- a line, or a screen ----------------------------------------------------- */

static void name_stuck(vyre *v)
{
    static const char *const at[] = { "runs", "waits for IO request", "groups; chunks ended:",
                                      "waits for event", "its tenant has no rights", "paused" };
    vyre_stuck_slot stuck[4];
    uint32_t count = 0;
    if (vyre_stuck(v, 50000000, stuck, 4, &count, NULL) != VYRE_OK)
        return;
    for (uint32_t i = 0; i < count; i++)
        fprintf(stderr, "watch: slot %u, opcode 0x%x (%s): %s %u\n",
                (unsigned)vyre_ticket_slot(stuck[i].ticket), (unsigned)stuck[i].opcode,
                stuck[i].handler, at[stuck[i].at], (unsigned)stuck[i].which);
}

/* A bar of 40 characters for `part` of `all`. */
static void bar(const char *name, uint32_t part, uint32_t all)
{
    char text[41];
    const uint32_t length = all ? (uint32_t)((uint64_t)part * 40 / all) : 0;
    memset(text, ' ', 40);
    memset(text, '#', length);
    text[40] = '\0';
    fprintf(stderr, "  %-10s [%s] %u\n", name, text, (unsigned)part);
}

static bool look(vyre *v, const vyre_watch *before, vyre_watch *now, vyre_health *health)
{
    if (vyre_watch_live(v, VYRE_WATCH_DEVICE, now, NULL) < 0)
        return false;
    vyre_watch_health(before, now, health, NULL);
    return true;
}

static bool draw(vyre *v, vyre_watch *before)
{
    vyre_watch now;
    vyre_health health;
    if (!look(v, before, &now, &health))
        return false;
    fprintf(stderr, "\033[H\033[2J%u slots, %u jobs ended, %u a second, %u faults%s\n\n",
            (unsigned)now.slots, (unsigned)now.done, (unsigned)(10 * health.done_delta),
            (unsigned)now.faults, health.stalled ? ", STALLED" : "");
    for (unsigned i = 0; i < sizeof now.states / sizeof now.states[0]; i++)
        bar(vyre_slot_state_name((vyre_slot_state)i), now.states[i], now.slots);
    if (health.stalled)
        name_stuck(v);
    *before = now;
    return true;
}

static bool show(vyre *v, vyre_watch *before)
{
    vyre_watch now;
    vyre_health health;
    if (!look(v, before, &now, &health))
        return false;
    fprintf(stderr, "watch: %3u of %u slots busy, %6u jobs since, %u in all, %u faults%s\n",
            (unsigned)now.runnable, (unsigned)now.slots, (unsigned)health.done_delta,
            (unsigned)now.done, (unsigned)now.faults, health.stalled ? ", STALLED" : "");
    if (health.stalled)
        name_stuck(v);
    *before = now;
    return true;
}

/* A second: answers, or draws. */
static bool pass_a_second(int server, bool screen, vyre *v, vyre_watch *before)
{
    struct pollfd comes = { server, POLLIN, 0 };
    for (int i = 0; i < 10; i++) {
        if (poll(&comes, server >= 0, 100) == 1)
            answer(server, v);
        if (screen && !draw(v, before))
            return false;
    }
    return screen || show(v, before);
}

int main(int argc, char **argv)
{
    const bool screen = argc > 3 && strcmp(argv[3], "screen") == 0;
    const int seconds = argc > 2 ? atoi(argv[2]) : 2;
    vyre_desc desc;
    vyre_error err;
    vyre_watch w;
    pthread_t thread;
    memset(&desc, 0, sizeof desc);
    memset(&w, 0, sizeof w);
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) != VYRE_OK) {
        fprintf(stderr, "watch: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    const int server = serve(argc > 3 && !screen ? argv[3] : NULL);
    if (pthread_create(&thread, NULL, publish_jobs, v) != 0)
        return 1;
    for (int i = 0; i < seconds; i++) {
        if (!pass_a_second(server, screen, v, &w))
            return 1;
    }
    pthread_join(thread, NULL);
    vyre_drain(v, VYRE_FOREVER, &err);
    if (vyre_watch_live(v, VYRE_WATCH_DEVICE, &w, &err) < 0)
        return 1;
    printf("watch: %u jobs, %u faults, %u runnable\n", (unsigned)w.done, (unsigned)w.faults,
           (unsigned)w.runnable);
    if (server >= 0)
        close(server);
    vyre_close(v);
    return w.done != JOBS;
}
