package agents

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// A token file is a header line and a line of 64 hex digits, with empty lines
// and lines that begin with # anywhere.
const (
	tokenHeader = "capmon fleet token v1"
	tokenBytes  = 32
	maxToken    = 4 << 10 // bytes of a token file
	maxTokens   = 32      // files in a folder of tokens
)

// systemToken is where every user of a machine finds the token.
const systemToken = "/etc/capmon/token"

// DefaultTokenPath is where a token of this user is looked for and made:
// capmon/token in the user's config folder.
func DefaultTokenPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("config folder of this user: %w: name a token file", err)
	}
	return filepath.Join(dir, "capmon", "token"), nil
}

// FindToken is the token file, or folder of tokens, to use: the explicit one,
// else that of the user, else /etc/capmon/token; "" when there is none. Where a
// token is, there is no way down to plaintext: one that this user may not read
// is an error that wraps fs.ErrPermission, and comes with its path.
func FindToken(explicit string) (path string, err error) {
	if explicit != "" {
		if _, err := os.Stat(explicit); err != nil {
			return "", fmt.Errorf("token %s: %w: `capmon token new` makes one", explicit, cause(err))
		}
		return explicit, nil
	}
	var places []string
	if own, err := DefaultTokenPath(); err == nil {
		places = append(places, own)
	}
	if runtime.GOOS != "windows" {
		places = append(places, systemToken)
	}
	return findToken(places)
}

func findToken(places []string) (string, error) {
	for _, path := range places {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || isNotDir(path, err):
			continue
		case err != nil:
			return path, fmt.Errorf("token %s: %w: run as who may read it, or name another token file", path, cause(err))
		case !info.Mode().IsRegular():
			return path, nil // WithToken judges it
		}
		f, err := os.Open(path)
		if err != nil {
			return path, fmt.Errorf("token %s: %w: run as who may read it, or name another token file", path, cause(err))
		}
		f.Close()
		return path, nil
	}
	return "", nil
}

// isNotDir tells that a part of path is a file, so that nothing can be there.
func isNotDir(path string, err error) bool {
	if err == nil {
		return false
	}
	info, e := os.Stat(filepath.Dir(path))
	return e == nil && !info.IsDir()
}

// cause is err without the operation and the path, which the caller names.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// NewToken makes a new fleet token at path: a file only its owner may read, in
// a folder of its own. It never replaces anything.
func NewToken(path string) (err error) {
	if path == "" {
		return errors.New("no path for the token was given")
	}
	if info, err := os.Lstat(path); err == nil {
		if info.IsDir() {
			path = strings.TrimSuffix(path, string(filepath.Separator))
			return fmt.Errorf("%s is a folder: name a file in it, such as %s", path, filepath.Join(path, "new"))
		}
		return fmt.Errorf("%s exists and is not replaced, for the fleet may use it: "+
			"copy it to the other machines, or move it away first", path)
	}
	var secret [tokenBytes]byte
	rand.Read(secret[:]) // never fails: it ends the program instead
	text := fmt.Sprintf("%s\n# Who holds this file may read the numbers of the fleet. Copy it to every machine,\n"+
		"# to the same place or to %s, readable by its owner only (chmod 600).\n%x\n", tokenHeader, systemToken, secret)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("folder of the token: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("new token: %w", err)
	}
	defer func() {
		if e := f.Close(); err == nil && e != nil {
			err = fmt.Errorf("new token: %w", e)
		}
		if err != nil {
			os.Remove(path) // half a token is none
		}
	}()
	if _, err := f.WriteString(text); err != nil {
		return fmt.Errorf("new token: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("new token: %w", err)
	}
	return nil
}

// readTokens reads the token at path, or all of the folder at path, first by
// name first.
func readTokens(path string) ([]fleetKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("token %s: %w", path, cause(err))
	}
	if !info.IsDir() {
		k, err := readToken(path)
		if err != nil {
			return nil, err
		}
		return []fleetKey{k}, nil
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("folder of tokens %s: others may write into it (mode %04o): chmod 700 %[1]s", path, info.Mode().Perm())
	}
	list, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("folder of tokens %s: %w", path, cause(err))
	}
	var keys []fleetKey
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if len(keys) == maxTokens {
			return nil, fmt.Errorf("folder of tokens %s: more than %d files: remove the old ones", path, maxTokens)
		}
		k, err := readToken(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("folder of tokens %s is empty: `capmon token new` makes one", path)
	}
	return keys, nil
}

// readToken reads one token file and refuses one that others may read.
func readToken(path string) (fleetKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fleetKey{}, fmt.Errorf("token %s: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return fleetKey{}, fmt.Errorf("token %s is no file: name a token file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fleetKey{}, fmt.Errorf("token %s: %w: run as who may read it, or name another token file", path, cause(err))
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil { // of the file that was opened
		return fleetKey{}, fmt.Errorf("token %s: %w", path, cause(err))
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fleetKey{}, fmt.Errorf("token %s: others may use it (mode %04o): chmod 600 %[1]s", path, info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return fleetKey{}, fmt.Errorf("token %s: %w", path, cause(err))
	}
	secret, err := parseToken(b)
	if err != nil {
		return fleetKey{}, fmt.Errorf("token %s: %w: `capmon token new` makes one, then copy that file whole", path, err)
	}
	return deriveKey(secret)
}

// parseToken takes the secret out of the text of a token file.
func parseToken(b []byte) ([tokenBytes]byte, error) {
	var secret [tokenBytes]byte
	if len(b) > maxToken {
		return secret, fmt.Errorf("longer than %d bytes", maxToken)
	}
	var lines []string
	for in := bufio.NewScanner(bytes.NewReader(b)); in.Scan(); {
		if line := strings.TrimSpace(in.Text()); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	switch {
	case len(lines) == 0 || lines[0] != tokenHeader:
		return secret, fmt.Errorf("it does not begin with %q", tokenHeader)
	case len(lines) != 2:
		return secret, fmt.Errorf("%d lines after the header, not 1", len(lines)-1)
	case len(lines[1]) != 2*tokenBytes:
		return secret, fmt.Errorf("its secret has %d digits, not %d", len(lines[1]), 2*tokenBytes)
	}
	if _, err := hex.Decode(secret[:], []byte(lines[1])); err != nil {
		return [tokenBytes]byte{}, errors.New("its secret has something else than hex digits")
	}
	if secret == ([tokenBytes]byte{}) {
		return secret, errors.New("its secret is nothing but zeros")
	}
	return secret, nil
}

// fleetKey is what a token stands for.
type fleetKey struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	name    string // which of several is meant: a hash of the public key, not secret
}

// deriveKey makes the one key of a token: HKDF-SHA256 (RFC 5869) of the secret
// without salt is the seed of an ed25519 key (RFC 8032).
func deriveKey(secret [tokenBytes]byte) (fleetKey, error) {
	seed, err := hkdf.Key(sha256.New, secret[:], nil, "capmon fleet token v1 ed25519", ed25519.SeedSize)
	if err != nil {
		return fleetKey{}, fmt.Errorf("derive the key of a token: %w", err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(append([]byte("capmon fleet token name\x00"), public...))
	return fleetKey{private: private, public: public, name: hex.EncodeToString(sum[:16]) + keyDomain}, nil
}

// keyDomain ends the name of every key: a name that can't be a host's
// (RFC 2606).
const keyDomain = ".capmon.invalid"
