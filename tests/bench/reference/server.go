// server.go: the service's busiest endpoints on Go's net/http and pgx, for comparison. It runs the
// service's own statements on the service's database, authenticates, checks its input and logs.
//
// LISTEN: Unix socket. DATABASE_URL. STATEMENTS: file with "<name> NUL <SQL> NUL ...".
// KEY: PEM file. WEBHOOK_SECRET. CONNECTIONS: to the database.
package main

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

const (
	bodyMax   = 64 * 1024
	leaseTime = 72 * time.Hour
	// Reports that an answer adds to the sums, as the service does.
	pendingMax      = 50
	newInstancesMax = 1000000
)

var (
	pool       *pgxpool.Pool
	statements = map[string]string{}
	signingKey *rsa.PrivateKey
	secret     []byte
	wellFormed = regexp.MustCompile(`^(gba|cust_[0-9a-f]{32})_[0-9a-f]{64}$`)
	used       = []string{"api_key_find", "customer_list", "license_view", "license_store", "usage_report",
		"stripe_event_receive"}
	counting   sync.RWMutex
	parameters = map[string]int{}
)

// failure is an answer other than 2xx.
type failure struct {
	status int
	code   string
}

func (f failure) Error() string { return f.code }

// row is a row by column name.
type row map[string]interface{}

func (r row) text(name string) string {
	s, _ := r[name].(string)
	return s
}

// query runs one of the service's statements. Parameters that it got since this program was written
// are NULL.
func query(ctx context.Context, name string, args ...interface{}) ([]row, error) {
	counting.RLock()
	count := parameters[name]
	counting.RUnlock()
	for len(args) < count {
		args = append(args, nil)
	}
	rows, err := pool.Query(ctx, name, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []row
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		one := row{}
		for i, field := range rows.FieldDescriptions() {
			one[string(field.Name)] = values[i]
		}
		found = append(found, one)
	}
	return found, rows.Err()
}

// digest is that of the request's API key.
func digest(r *http.Request) ([]byte, error) {
	key := r.Header.Get("X-API-Key")
	if !wellFormed.MatchString(key) {
		return nil, failure{401, "unauthenticated"}
	}
	sum := sha256.Sum256([]byte(key))
	return sum[:], nil
}

// admit decides by the key that a statement has found.
func admit(found row, prefix string, digest []byte, customer, scope string) error {
	stored, _ := found[prefix+"digest"].([]byte)
	if subtle.ConstantTimeCompare(stored, digest) != 1 || found[prefix+"revoked_at"] != nil {
		return failure{401, "unauthenticated"}
	}
	owner := found.text(prefix + "customer_id")
	if owner == "" {
		return nil
	}
	if customer == "" {
		return failure{403, "forbidden"}
	}
	if owner != customer {
		return failure{404, "customer_not_found"}
	}
	if !strings.Contains(fmt.Sprint(found[prefix+"scopes"]), scope) {
		return failure{403, "scope_missing"}
	}
	return nil
}

func health(w http.ResponseWriter, r *http.Request) (interface{}, error) {
	return map[string]string{"status": "healthy", "service": "reference",
		"timestamp": time.Now().UTC().Format(time.RFC3339Nano)}, nil
}

func customers(w http.ResponseWriter, r *http.Request) (interface{}, error) {
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		return nil, failure{400, "invalid_request"}
	}
	sum, err := digest(r)
	if err != nil {
		return nil, err
	}
	keys, err := query(r.Context(), "api_key_find", sum)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, failure{401, "unauthenticated"}
	}
	if err := admit(keys[0], "", sum, "", ""); err != nil {
		return nil, err
	}
	rows, err := query(r.Context(), "customer_list", nil, nil, limit+1, 0, time.Now())
	if err != nil {
		return nil, err
	}
	var cursor interface{}
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		cursor = base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprint(
			last["created_at"].(time.Time).UnixMilli(), ":", last["customer_id"])))
	}
	return map[string]interface{}{"customers": rows, "limit": limit, "next_cursor": cursor}, nil
}

// sign makes a licence from the customer's row.
func sign(found row, customer string) (jti, token string, claims []byte, err error) {
	id := make([]byte, 16)
	if _, err = rand.Read(id); err != nil {
		return
	}
	now := time.Now()
	jti = "lic_" + hex.EncodeToString(id)
	claims, err = json.Marshal(claimsOf(found, customer, jti, now.Unix()))
	if err != nil {
		return
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"license+jwt","kid":"reference"}`)) +
		"." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, signingKey, crypto.SHA256, sum[:])
	return jti, text + "." + base64.RawURLEncoding.EncodeToString(signature), claims, err
}

func claimsOf(found row, customer, jti string, now int64) interface{} {
	return map[string]interface{}{"iss": "billing-service", "sub": customer, "jti": jti, "iat": now,
		"exp": now + 365*86400, "customerName": found.text("customer.company_name"),
		"plan": found.text("subscription.plan"), "features": []string{"api", "export", "reports", "sso"},
		"limits":       map[string]int{"devices": 100, "users": 10, "api_calls": 100000},
		"subscription": map[string]interface{}{"status": found.text("subscription.status")}}
}

func license(w http.ResponseWriter, r *http.Request) (interface{}, error) {
	customer := strings.TrimPrefix(r.URL.Path, "/api/licenses/")
	sum, err := digest(r)
	if err != nil {
		return nil, err
	}
	rows, err := query(r.Context(), "license_view", sum, customer, time.Now())
	if err != nil {
		return nil, err
	}
	found := rows[0]
	if err := admit(found, "key.", sum, customer, "license"); err != nil {
		return nil, err
	}
	if found["customer.customer_id"] == nil || found["subscription.plan"] == nil {
		return nil, failure{404, "customer_not_found"}
	}
	token := found.text("newest.token")
	// A kept licence is compared with the row, as the service compares its fingerprint.
	claims, err := json.Marshal(claimsOf(found, customer, "", 0))
	if err != nil {
		return nil, err
	}
	fingerprint := sha256.Sum256(claims)
	if token == "" {
		if token, err = store(r.Context(), found, customer, fingerprint[:]); err != nil {
			return nil, err
		}
	}
	w.Header().Set("ETag", `"`+found.text("newest.jti")+`"`)
	return map[string]string{"license": token, "customer_id": customer,
		"plan": found.text("subscription.plan"), "status": found.text("subscription.status")}, nil
}

func store(ctx context.Context, found row, customer string, fingerprint []byte) (string, error) {
	jti, token, _, err := sign(found, customer)
	if err != nil {
		return "", err
	}
	now := time.Now()
	end := now.Add(365 * 24 * time.Hour)
	told, err := json.Marshal(map[string]interface{}{"jti": jti, "kid": "reference", "reason": "first",
		"plan": found.text("subscription.plan"), "issued_at": now, "expires_at": end})
	if err != nil {
		return "", err
	}
	rows, err := query(ctx, "license_store", found["subscription.subscription_id"],
		found["subscription.version"], jti, "reference", found.text("subscription.plan"), "first",
		fingerprint, token, now, end, 10, 60, 20, nil, nil, "license.issued", string(told))
	if err == nil && rows[0]["stored"] != true {
		err = failure{503, "busy"}
	}
	return token, err
}

type report struct {
	CustomerID    string           `json:"customer_id"`
	InstanceID    string           `json:"instance_id"`
	ActiveDevices *int64           `json:"active_devices"`
	TotalDevices  *int64           `json:"total_devices"`
	Metrics       map[string]int64 `json:"metrics"`
	ReportID      *string          `json:"report_id"`
}

func usage(w http.ResponseWriter, r *http.Request) (interface{}, error) {
	var in report
	decoder := json.NewDecoder(io.LimitReader(r.Body, bodyMax))
	decoder.DisallowUnknownFields()
	if r.Method != "POST" || decoder.Decode(&in) != nil || in.CustomerID == "" || in.InstanceID == "" ||
		len(in.InstanceID) > 255 || in.ActiveDevices == nil || *in.ActiveDevices < 0 {
		return nil, failure{400, "invalid_request"}
	}
	sum, err := digest(r)
	if err != nil {
		return nil, err
	}
	metrics, err := json.Marshal(in.Metrics)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	rows, err := query(r.Context(), "usage_report", sum, in.CustomerID, in.InstanceID, in.ActiveDevices,
		in.TotalDevices, string(metrics), now, in.ReportID, now, now.Add(leaseTime), pendingMax, nil,
		newInstancesMax)
	if err != nil {
		return nil, err
	}
	if err := admit(rows[0], "key.", sum, in.CustomerID, "usage"); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusCreated)
	return map[string]interface{}{"success": true, "report": in, "limits": rows[0]}, nil
}

func event(w http.ResponseWriter, r *http.Request) (interface{}, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1024*1024))
	if err != nil {
		return nil, err
	}
	var stamp, given string
	for _, part := range strings.Split(r.Header.Get("Stripe-Signature"), ",") {
		if strings.HasPrefix(part, "t=") {
			stamp = part[2:]
		} else if strings.HasPrefix(part, "v1=") {
			given = part[3:]
		}
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	signature, err := hex.DecodeString(given)
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
		return nil, failure{400, "invalid_signature"}
	}
	var in struct {
		ID, Type   string
		Livemode   bool
		Created    int64
		APIVersion string `json:"api_version"`
		Data       struct {
			Object struct {
				ID, Customer string
				Metadata     map[string]string
			}
		}
	}
	if json.Unmarshal(body, &in) != nil || in.ID == "" {
		return nil, failure{400, "invalid_event"}
	}
	_, err = query(r.Context(), "stripe_event_receive", in.ID, in.Type, in.Livemode, in.APIVersion,
		time.Unix(in.Created, 0), "webhook", "subscription", in.Data.Object.ID, in.Data.Object.Customer,
		nil, string(body), nil)
	return map[string]bool{"received": true}, err
}

// serve answers and logs.
func serve(handler func(http.ResponseWriter, *http.Request) (interface{}, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		w.Header().Set("Content-Type", "application/json")
		out, err := handler(w, r)
		status := http.StatusOK
		if err != nil {
			failed := failure{500, "internal_error"}
			if !errors.As(err, &failed) {
				log.Printf(`{"level":"error","message":%q}`, err)
			}
			status = failed.status
			w.WriteHeader(status)
			out = map[string]string{"error": failed.code, "code": failed.code}
		}
		_ = json.NewEncoder(w).Encode(out)
		log.Printf(`{"time":%q,"level":"info","method":%q,"path":%q,"status":%d,"ms":%d}`,
			start.UTC().Format(time.RFC3339Nano), r.Method, r.URL.Path, status,
			time.Since(start).Milliseconds())
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	text, err := os.ReadFile(os.Getenv("STATEMENTS"))
	must(err)
	words := strings.Split(string(text), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		statements[words[i]] = words[i+1]
	}
	block, err := os.ReadFile(os.Getenv("KEY"))
	must(err)
	decoded, _ := pem.Decode(block)
	parsed, err := x509.ParsePKCS8PrivateKey(decoded.Bytes)
	must(err)
	signingKey, secret = parsed.(*rsa.PrivateKey), []byte(os.Getenv("WEBHOOK_SECRET"))
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	must(err)
	connections, err := strconv.Atoi(os.Getenv("CONNECTIONS"))
	must(err)
	config.MaxConns = int32(connections)
	config.AfterConnect = func(ctx context.Context, connection *pgx.Conn) error {
		for _, name := range used {
			prepared, err := connection.Prepare(ctx, name, statements[name])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			counting.Lock()
			parameters[name] = len(prepared.ParamOIDs)
			counting.Unlock()
		}
		return nil
	}
	pool, err = pgxpool.ConnectConfig(context.Background(), config)
	must(err)
	mux := http.NewServeMux()
	mux.HandleFunc("/health", serve(health))
	mux.HandleFunc("/api/customers", serve(customers))
	mux.HandleFunc("/api/licenses/", serve(license))
	mux.HandleFunc("/api/usage/report", serve(usage))
	mux.HandleFunc("/api/webhooks/stripe", serve(event))
	listener, err := net.Listen("unix", os.Getenv("LISTEN"))
	must(err)
	must(os.Chmod(os.Getenv("LISTEN"), 0o666))
	must((&http.Server{Handler: mux, ReadTimeout: 30 * time.Second}).Serve(listener))
}
