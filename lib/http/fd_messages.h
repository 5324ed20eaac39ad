/* fd_messages.h: messages between processes of a host that carry a file descriptor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Sends one message on a SOCK_SEQPACKET socket; a copy of `fd` goes with it unless it is negative.
 * False when the other side is gone. */
bool fd_message_send(int socket, const void *message, size_t size, int fd);

/* Receives one message of that size. *fd becomes the caller's, with close-on-exec; -1 if none came.
 * False when there is no message, or none of that size. */
bool fd_message_receive(int socket, void *message, size_t size, int *fd);
