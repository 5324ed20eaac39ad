/*
 * constant_fcgi.c SOCKET PROCESSES: the least that libfcgi can do behind nginx, to compare with.
 *
 * As many processes on one shared socket as billingd has workers, a connection per request, and
 * an answer of the same size as that of /health, made without looking at the request.
 */
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char answer[] =
        "Status: 200\r\nContent-Type: application/json\r\n"
        "X-Request-Id: 0123456789abcdef0123456789abcdef\r\nCache-Control: no-store\r\n"
        "Content-Length: 79\r\n\r\n"
        "{\"status\":\"healthy\",\"service\":\"billing\",\"timestamp\":\"2026-01-01T00:00:00."
        "000Z\"}";

static int
serve(int socket)
{
	FCGX_Request request;

	if (FCGX_InitRequest(&request, socket, 0) != 0)
		return 1;
	while (FCGX_Accept_r(&request) == 0) {
		(void)FCGX_PutStr(answer, sizeof(answer) - 1, request.out);
		FCGX_Finish_r(&request);
	}
	return 1;
}

int
main(int count, char **arguments)
{
	int socket;

	if (count != 3 || FCGX_Init() != 0)
		return 2;
	(void)umask(0);
	socket = FCGX_OpenSocket(arguments[1], 1024);
	if (socket < 0)
		return 1;
	for (int i = 0; i < atoi(arguments[2]); i++) {
		if (fork() != 0)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		return serve(socket);
	}
	(void)wait(NULL);
	return 1;
}
