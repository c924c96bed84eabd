package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"slices"
	"sync"
	"time"
)

// Limits of sessions.
const (
	sessionIdle = 30 * time.Minute // without a request of the user's
	sessionLife = 12 * time.Hour   // in any case
	maxSessions = 128              // the one idle longest makes room
)

// cookieName has the prefix that makes browsers insist on Secure, Path=/ and no
// Domain (RFC 6265bis, section 4.1.3.2).
const cookieName = "__Host-sluice"

// session is one login.
type session struct {
	user  string
	token string // against forged requests; known to pages of this session only
	begun time.Time

	// Guarded by sessions.mu.
	used  time.Time
	flash []flash
}

// flash is a message that the next page of the session shows once.
type flash struct {
	Kind string // "good", "bad" or "note"
	Text string
}

// sessions are the logins in memory: a restart of webd ends them all. A session
// is found by the hash of its secret, so that neither a copy of the memory's
// table nor the time of a comparison gives a secret away.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex // guards the fields below
	byID map[[sha256.Size]byte]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byID: map[[sha256.Size]byte]*session{}}
}

// secret returns 256 random bits as text.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, see its documentation
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// start begins a session for user and returns it with its secret.
func (s *sessions) start(user string) (*session, string) {
	id, now := secret(), s.now()
	ses := &session{user: user, token: secret(), begun: now, used: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	if len(s.byID) >= maxSessions {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(s.byID)), func(a, b [sha256.Size]byte) int {
			return s.byID[a].used.Compare(s.byID[b].used)
		})
		delete(s.byID, oldest)
	}
	s.byID[sha256.Sum256([]byte(id))] = ses
	return ses, id
}

// find returns the live session with this secret, or nil. With touch it counts
// as used.
func (s *sessions) find(id string, touch bool) *session {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	ses := s.byID[sha256.Sum256([]byte(id))]
	if ses != nil && touch {
		ses.used = now
	}
	return ses
}

// expire forgets what is too old; s.mu is held.
func (s *sessions) expire(now time.Time) {
	maps.DeleteFunc(s.byID, func(_ [sha256.Size]byte, ses *session) bool {
		return now.Sub(ses.used) > sessionIdle || now.Sub(ses.begun) > sessionLife
	})
}

// end forgets one session.
func (s *sessions) end(ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.byID, func(_ [sha256.Size]byte, other *session) bool { return other == ses })
}

// endOthers forgets all sessions of ses's user but ses: a new password ends what
// the old one opened.
func (s *sessions) endOthers(user string, keep *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.byID, func(_ [sha256.Size]byte, other *session) bool {
		return other.user == user && other != keep
	})
}

// tell keeps a message for the session's next page.
func (s *sessions) tell(ses *session, kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.flash = append(ses.flash, flash{kind, text})
}

// told returns the session's messages and forgets them.
func (s *sessions) told(ses *session) []flash {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ses.flash
	ses.flash = nil
	return out
}

// expires is when the session ends if it is not used again.
func (s *sessions) expires(ses *session) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle, life := ses.used.Add(sessionIdle), ses.begun.Add(sessionLife)
	if life.Before(idle) {
		return life
	}
	return idle
}

// matches compares a request's token with the session's.
func (ses *session) matches(token string) bool {
	return subtle.ConstantTimeCompare([]byte(ses.token), []byte(token)) == 1
}

// live reports whether ses has neither ended nor expired.
func (s *sessions) live(ses *session) bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	for _, other := range s.byID {
		if other == ses {
			return true
		}
	}
	return false
}
