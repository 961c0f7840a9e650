package stdio

import "golang.org/x/sys/unix"

const hangsUp = unix.POLLRDHUP // a socket whose peer has ended its side alone; POLLHUP always comes
