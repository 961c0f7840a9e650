package relay

// End ends the session: no server takes over any more. What is held, and what comes, is answered with why; what is open at
// a server may still be answered by it, and gets the same answer at its Fail.
func (s *Session) End(why Reason) {
	s.mu.Lock()
	answers := s.end(why)
	s.mu.Unlock()
	s.out.say(answers...)
}

// End ends the session if l serves, and reports whether it does: another server may have taken over in the same moment.
func (l *Link) End(why Reason) bool {
	s := l.session
	s.mu.Lock()
	if s.current != l {
		s.mu.Unlock()
		return false
	}
	answers := s.end(why)
	s.mu.Unlock()
	s.out.say(answers...)
	return true
}

func (s *Session) end(why Reason) (answers [][]byte) {
	if s.over {
		return nil
	}
	s.over, s.gate, s.refusal = true, refusing, why
	return s.refuseHeld()
}
