/* fd_messages.c: messages between processes of a host that carry a file descriptor. */
#include "http/fd_messages.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel reads and writes it as bytes that are aligned like its header (unix(7),
 * SCM_RIGHTS). */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

bool
fd_message_send(int socket, const void *message, size_t size, int fd)
{
	union control control = {.bytes = {0}};
	struct iovec text = {.iov_len = size};
	struct msghdr header = {.msg_iov = &text, .msg_iovlen = 1};
	ssize_t sent;

	memcpy(&text.iov_base, &message, sizeof(message)); /* sendmsg() does not change it */
	if (fd >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
	}
	do
		sent = sendmsg(socket, &header, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)size;
}

bool
fd_message_receive(int socket, void *message, size_t size, int *fd)
{
	union control control = {.bytes = {0}};
	struct iovec text = {.iov_base = message, .iov_len = size};
	struct msghdr header = {.msg_iov = &text,
	                        .msg_iovlen = 1,
	                        .msg_control = &control,
	                        .msg_controllen = sizeof(control)};
	struct cmsghdr *first;
	ssize_t received;

	*fd = -1;
	do
		received = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	first = received < 0 ? NULL : CMSG_FIRSTHDR(&header);
	if (first != NULL && first->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(first), sizeof(*fd));
	return received == (ssize_t)size;
}
