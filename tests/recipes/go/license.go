// Package license judges a licence offline, with golang-jwt.
//
// With modules: go get github.com/golang-jwt/jwt/v4. Debian's golang-github-golang-jwt-jwt-dev is compiled in
// GOPATH mode, where import paths have no version: put this file into src/license of a folder, import
// "github.com/golang-jwt/jwt", and in that folder run
//
//	GO111MODULE=off GOPATH=$PWD:/usr/share/gocode go build license
package license

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"

	"github.com/golang-jwt/jwt/v4"
)

// Keys reads a JWK set.
func Keys(jwks []byte) (map[string]*rsa.PublicKey, error) {
	var set struct{ Keys []struct{ Kid, N, E string } }
	keys := map[string]*rsa.PublicKey{}
	err := json.Unmarshal(jwks, &set)
	for _, one := range set.Keys {
		n, _ := base64.RawURLEncoding.DecodeString(one.N)
		e, _ := base64.RawURLEncoding.DecodeString(one.E)
		keys[one.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return keys, err
}

func opened(token, typ string, keys map[string]*rsa.PublicKey) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	parsed, err := parser.ParseWithClaims(strings.Join(strings.Fields(token), ""), claims, func(t *jwt.Token) (interface{}, error) {
		kid, _ := t.Header["kid"].(string)
		if len(t.Header) != 3 || t.Header["typ"] != typ || keys[kid] == nil {
			return nil, errors.New("not ours")
		}
		return keys[kid], nil
	})
	if err == nil {
		claims["kid"] = parsed.Header["kid"]
	}
	return claims, err
}

// Judge gives the verdict on a licence. instance is the id of this installation, or empty.
func Judge(token, revocations, issuer, instance string, keys map[string]*rsa.PublicKey, now, graceDays float64) string {
	token = strings.TrimPrefix(token, "\uFEFF")
	if strings.TrimSpace(token) == "" {
		return "none"
	}
	claims, err := opened(token, "JWT", keys)
	list, listErr := opened(revocations, "revocations+jwt", keys)
	exp, isTime := claims["exp"].(float64)
	iat, isTimeToo := claims["iat"].(float64)
	subscription, isObject := claims["subscription"].(map[string]interface{})
	features, _ := claims["features"].(map[string]interface{})
	trial, _ := claims["trial"].(map[string]interface{})
	jti, _ := claims["jti"].(string)
	if err != nil || listErr != nil || !isTime || !isTimeToo || !isObject || features == nil || trial == nil || jti == "" ||
		claims["iss"] != issuer || claims["sub"] == nil || claims["sub"] != claims["customerId"] ||
		claims["expiresAt"] != exp || claims["issuedAt"] != iat {
		return "forged"
	}
	for _, revoked := range list["revoked"].([]interface{}) {
		if revoked == jti {
			return "revoked"
		}
	}
	// One entry of distrustedKeys stands for all licences of a stolen key.
	distrusted, _ := list["distrustedKeys"].([]interface{})
	for _, kid := range distrusted {
		if kid == claims["kid"] {
			return "revoked"
		}
	}
	// One entry of revokedBefore stands for all older licences of a customer.
	older, _ := list["revokedBefore"].([]interface{})
	for _, entry := range older {
		pair, _ := entry.([]interface{})
		if len(pair) == 2 && pair[0] == claims["sub"] && pair[1].(float64) > iat {
			return "revoked"
		}
	}
	// A bound licence is for one installation alone.
	if bound, has := claims["instance"]; has && bound != instance {
		return "wrong_instance"
	}
	status, _ := subscription["status"].(string)
	due, least := status == "past_due", iat
	if nbf, has := claims["nbf"].(float64); has && nbf > least {
		least = nbf
	}
	grace, _ := claims["grace"].(map[string]interface{})
	if most, has := grace["maxDays"].(float64); has && most < graceDays {
		graceDays = most
	}
	offline, _ := claims["offline"].(map[string]interface{})
	staleDays, _ := offline["staleDays"].(float64)
	checked, _ := list["iat"].(float64)
	if iat > checked {
		checked = iat
	}
	switch {
	case subscription["access"] == false, !due && status != "active" && status != "trialing":
		return "canceled"
	case now < least-86400:
		return "clock_suspicious"
	case now >= exp+120 && (trial["isTrialMode"] != false || now >= exp+120+graceDays*86400):
		return "expired"
	case staleDays > 0 && now >= checked+staleDays*86400+120:
		return "stale"
	case now >= exp+120 || due:
		return "grace"
	}
	return "valid"
}
