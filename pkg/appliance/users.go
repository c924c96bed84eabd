package appliance

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Admin is the one user.
const Admin = "admin"

// Limits of a password, in characters and in bytes.
const (
	MinPassword = 8
	MaxPassword = 256
)

// Cost of a hash: OWASP's least recommendation for argon2id, which a machine with
// 256 MB of memory can afford. Users.mu keeps it to one hash at a time.
const (
	hashTime    = 2
	hashMemory  = 19 << 10 // KiB
	hashThreads = 1
	hashSize    = 32 // bytes
	saltSize    = 16 // bytes
)

// User is one who may log in.
type User struct {
	Name        string `json:"name"`
	PasswordSet bool   `json:"password_set"`
}

// Setup says what a new owner still has to do.
type Setup struct {
	PasswordSet bool `json:"password_set"`
	Persistent  bool `json:"persistent"`
}

// Users keeps password hashes in a file that only root can read. There is no
// default password: until one is set, none is right.
type Users struct {
	file string
	mu   sync.Mutex // one hash and one write at a time
}

// hash is a password's hash with all that is needed to compare it.
type hash struct {
	Algorithm string `json:"algorithm"` // "argon2id"
	Time      uint32 `json:"time"`
	Memory    uint32 `json:"memory"` // KiB
	Threads   uint8  `json:"threads"`
	Salt      string `json:"salt"` // base64
	Sum       string `json:"sum"`  // base64
}

// NewUsers returns the users in file, which need not exist.
func NewUsers(file string) *Users { return &Users{file: file} }

func (u *Users) read() (map[string]hash, error) {
	all := map[string]hash{}
	if _, err := readJSON(u.file, &all); err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	return all, nil
}

// List returns all users.
func (u *Users) List() ([]User, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	all, err := u.read()
	_, set := all[Admin]
	return []User{{Name: Admin, PasswordSet: set}}, err
}

// knownUser refuses names of nobody.
func knownUser(name string) error {
	if name != Admin {
		return fmt.Errorf("user %q: accepted is %s", name, Admin)
	}
	return nil
}

// SetPassword replaces a user's password.
func (u *Users) SetPassword(name, password string) error {
	if err := knownUser(name); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(password); n < MinPassword || len(password) > MaxPassword || strings.ContainsAny(password, "\x00\r\n") {
		return fmt.Errorf("password of %d characters: accepted are %d or more, up to %d bytes, on one line", n, MinPassword, MaxPassword)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	all, err := u.read()
	if err != nil {
		return err
	}
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return fmt.Errorf("make salt: %w", err)
	}
	h := hash{Algorithm: "argon2id", Time: hashTime, Memory: hashMemory, Threads: hashThreads, Salt: base64.StdEncoding.EncodeToString(salt)}
	h.Sum = base64.StdEncoding.EncodeToString(h.sum(password, salt))
	all[name] = h
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(u.file), 0o700); err != nil {
		return err
	}
	return replaceFile(osDisk{}, u.file, text, 0o600)
}

func (h hash) sum(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, h.Time, h.Memory, h.Threads, hashSize)
}

// Check reports whether the password is the user's. Unknown users, and those
// without a password, cost the same time.
func (u *Users) Check(name, password string) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	all, err := u.read()
	if err != nil {
		return false, err
	}
	h, there := all[name]
	if !there {
		h = hash{Time: hashTime, Memory: hashMemory, Threads: hashThreads}
	} else if h.Algorithm != "argon2id" || h.Time < 1 || h.Threads < 1 || h.Memory > 1<<20 {
		return false, fmt.Errorf("read users: hash of %s is damaged", name)
	}
	if len(password) > MaxPassword {
		return false, nil
	}
	salt, err := base64.StdEncoding.DecodeString(h.Salt)
	if err != nil {
		return false, fmt.Errorf("read users: hash of %s is damaged", name)
	}
	want, err := base64.StdEncoding.DecodeString(h.Sum)
	if err != nil {
		return false, fmt.Errorf("read users: hash of %s is damaged", name)
	}
	same := subtle.ConstantTimeCompare(h.sum(password, salt), want) == 1
	return same && there, nil
}
