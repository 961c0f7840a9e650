package h1

// Chunked is the Length of a body that comes in chunks.
const Chunked = -1

// Response is the head of a common answer to a POST, GET or DELETE. All but the numbers lies in the buffer that was
// parsed.
type Response struct {
	Status int    // 200 to 599, not 304
	Reason []byte // may be empty
	Length int64  // of the body, in bytes, or Chunked
	Close  bool   // the connection ends with this answer

	// KeepAlive is the value of Keep-Alive: parameters such as timeout, in seconds (RFC 2068 §19.7.1.1).
	KeepAlive []byte

	// Fields are all others in their order, without Content-Length, Transfer-Encoding, Connection and Keep-Alive.
	Fields []Field
}

// unframed is the Length of a head that has told none yet.
const unframed = -2

// Parse reads the head that buf begins with; n is its length, the empty line included. It reuses r.Fields. After
// ErrIncomplete or ErrUncommon r says nothing.
func (r *Response) Parse(buf []byte) (n int, err error) {
	*r = Response{Length: unframed, Fields: r.Fields[:0]}
	if n, err = end(buf); err != nil {
		return 0, err
	}
	line, rest := cutLine(buf[:n])
	if !r.start(line) || !fields(rest, r.take) || !r.framed() {
		return 0, ErrUncommon
	}
	return n, nil
}

// start reads the status line (RFC 9112 §4). The answers before the last one (1xx) are not taken, nor is 304, whose length
// is that of a body which does not come.
func (r *Response) start(line []byte) bool {
	const version, code = "HTTP/1.1 ", len("HTTP/1.1 200 ")
	if len(line) < code || string(line[:len(version)]) != version || line[code-1] != ' ' {
		return false
	}
	digits := line[len(version) : code-1]
	if !all(digits, inNumber) {
		return false
	}
	r.Status = 100*int(digits[0]-'0') + 10*int(digits[1]-'0') + int(digits[2]-'0')
	r.Reason = line[code:]
	return r.Status >= 200 && r.Status <= 599 && r.Status != 304 && all(r.Reason, inValue)
}

func (r *Response) take(f Field) (ok bool) {
	switch {
	case f.Is("content-length"):
		if r.Length != unframed {
			return false
		}
		r.Length, ok = length(f.Value)
		return ok
	case f.Is("transfer-encoding"):
		ok = r.Length == unframed && equalFold(f.Value, "chunked")
		r.Length = Chunked
		return ok
	case f.Is("connection"):
		closes := equalFold(f.Value, "close")
		r.Close = r.Close || closes
		return closes || equalFold(f.Value, "keep-alive")
	case f.Is("keep-alive"):
		r.KeepAlive = f.Value
		return true
	case f.refused():
		return false
	}
	r.Fields = append(r.Fields, f)
	return true
}

// framed reports whether it is clear where the body ends (RFC 9112 §6.3): by one length or by chunks, not by the end of
// the connection. A 204 has no body.
func (r *Response) framed() bool {
	if r.Status == 204 && r.Length == unframed {
		r.Length = 0
	}
	if r.Status == 204 {
		return r.Length == 0
	}
	return r.Length >= 0 || r.Length == Chunked
}
