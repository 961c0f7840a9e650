//go:build unix && !linux

package stdio

const hangsUp = 0 // POLLHUP always comes
