/*
 * Error numbers, with the values that Linux gives them, so that a figure seen in a log means to the
 * reader what it means everywhere else. Functions return them negated: 0 or more is success.
 */
#ifndef LIB_ERRNO_H
#define LIB_ERRNO_H

#define EPERM     1
#define ENOENT    2
#define ESRCH     3
#define EIO       5
#define ENXIO     6
#define EAGAIN    11
#define ENOMEM    12
#define EFAULT    14
#define EBUSY     16
#define EEXIST    17
#define ENODEV    19
#define EINVAL    22
#define ENOSPC    28
#define EDEADLK   35
#define ELOOP     40
#define ENODATA   61
#define ETIME     62
#define EPROTO    71
#define EOVERFLOW 75
#define ETIMEDOUT 110

#endif
