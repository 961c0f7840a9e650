package h1

import (
	"bytes"
	"errors"
)

// ErrChunk says that a chunked body is malformed, or has more in it beside its data than is taken. It is final.
var ErrChunk = errors.New("the chunked body is malformed")

const (
	maxDigits    = 8       // of the size of a chunk
	maxExtension = 256     // bytes behind the size, up to the end of the line
	maxTrailers  = 8 << 10 // bytes
)

// Chunks decodes a chunked body (RFC 9112 §7.1) as it comes. The zero value is ready.
type Chunks struct {
	// Trailers are the fields behind the last chunk, once Done. None is refused for its name.
	Trailers []Field

	state   part
	digits  int     // of the size, so far
	left    uint32  // bytes of data; what the size says, so far
	extra   int     // bytes behind the size, so far
	trailer []byte  // the lines behind the last chunk, so far
	room    [2]byte // for the usual one: none but the line end
}

// part is what the next byte belongs to.
type part uint8

const (
	size      part = iota
	padding        // white space behind the size
	extension      // from a ";" on; it is dropped
	sizeLF         // the LF that ends the line of the size
	data
	dataCR // the CR behind the data
	dataLF
	trailerLines
	done
	failed
)

// Done reports whether the body is complete, its trailers included.
func (c *Chunks) Done() bool { return c.state == done }

// Next gives the next piece of the body, which lies in src and may be empty, and how many bytes of src it used: call it
// again with the rest. When n is 0 the body is Done or needs more bytes. It uses none behind the end of the body.
func (c *Chunks) Next(src []byte) (piece []byte, n int, err error) {
	if c.state == failed {
		return nil, 0, ErrChunk
	}
	for n < len(src) && c.state != done {
		if c.state == data {
			piece = src[n:][:min(int64(len(src)-n), int64(c.left))]
			if c.left -= uint32(len(piece)); c.left == 0 {
				c.state = dataCR
			}
			return piece, n + len(piece), nil
		}
		if c.state = c.after(src[n]); c.state == failed {
			return nil, n, ErrChunk
		}
		n++
	}
	return nil, n, nil
}

// after takes one byte that is not data and tells what the one after it belongs to.
func (c *Chunks) after(b byte) part {
	switch c.state {
	case size, padding, extension:
		return c.inSizeLine(b)
	case sizeLF:
		if b == '\n' && c.left > 0 {
			return data
		} else if b == '\n' {
			return trailerLines
		}
	case dataCR:
		if b == '\r' {
			return dataLF
		}
	case dataLF:
		if b == '\n' {
			c.digits, c.left, c.extra = 0, 0, 0
			return size
		}
	case trailerLines:
		return c.inTrailer(b)
	}
	return failed
}

// inSizeLine takes a byte of the line that says how long the chunk is. White space may only end the line: net/http refuses
// it before a ";".
func (c *Chunks) inSizeLine(b byte) part {
	if c.digits == 0 && sets[b]&inHex == 0 {
		return failed
	}
	switch {
	case b == '\r':
		return sizeLF
	case c.state == size && sets[b]&inHex != 0 && c.digits < maxDigits:
		c.digits++
		c.left = c.left<<4 | hex(b)
		return size
	}
	if c.extra++; c.extra > maxExtension {
		return failed
	}
	switch blank := b == ' ' || b == '\t'; {
	case c.state == extension && sets[b]&inValue != 0:
		return extension
	case c.state == size && b == ';':
		return extension
	case c.state != extension && blank:
		return padding
	}
	return failed
}

func hex(b byte) uint32 {
	if b <= '9' {
		return uint32(b - '0')
	}
	return uint32((b|0x20)-'a') + 10
}

// inTrailer takes a byte of the trailer section (RFC 9112 §7.1.2), and reads the whole when its empty line is complete.
func (c *Chunks) inTrailer(b byte) part {
	if len(c.trailer) == maxTrailers {
		return failed
	}
	if c.trailer == nil {
		c.trailer = c.room[:0]
	}
	c.trailer = append(c.trailer, b)
	switch {
	case b != '\n':
		return trailerLines
	case !bytes.HasSuffix(c.trailer, []byte("\r\n")):
		return failed
	case len(c.trailer) > 2 && !bytes.HasSuffix(c.trailer, []byte("\n\r\n")):
		return trailerLines
	}
	if !fields(c.trailer, c.take) {
		return failed
	}
	return done
}

func (c *Chunks) take(f Field) bool {
	c.Trailers = append(c.Trailers, f)
	return true
}
