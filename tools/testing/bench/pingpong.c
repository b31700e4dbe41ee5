// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor: what the bytes of one I/O cost on a bare TCP connection over
 * loopback, two threads, one system call for each send and receive.
 *
 *	pingpong REQUEST ANSWER COUNT	bytes each way, round trips
 *
 * Prints "COUNT MILLISECONDS".
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

static size_t request, answer;
static long count;

static void move(int fd, char *buf, size_t n, int out)
{
	while (n) {
		ssize_t done = out ? send(fd, buf, n, 0) : recv(fd, buf, n, 0);

		if (done <= 0)
			err(1, out ? "send" : "recv");
		n -= done;
	}
}

static char *prepare(int fd)
{
	size_t n = request > answer ? request : answer;
	char *buf = calloc(1, n);
	int on = 1;

	if (!buf || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		err(1, "setup");
	return buf;
}

static void *serve(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	char *buf = prepare(fd);

	for (long i = 0; i < count; i++) {
		move(fd, buf, request, 0);
		move(fd, buf, answer, 1);
	}
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);
	pthread_t server;
	double begun;
	char *buf;

	if (argc != 4)
		errx(2, "pingpong REQUEST ANSWER COUNT");
	request = atol(argv[1]);
	answer = atol(argv[2]);
	count = atol(argv[3]);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&a, &len) ||
	    pthread_create(&server, NULL, serve, &listener) ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)))
		err(1, "connection");
	buf = prepare(fd);
	begun = now();
	for (long i = 0; i < count; i++) {
		move(fd, buf, request, 1);
		move(fd, buf, answer, 0);
	}
	printf("%ld %.0f\n", count, now() - begun);
	return 0;
}
