package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybell/paybell/auth"
)

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token --order ORDER",
		Short: "Make a token that lets its bearer watch orders",
		Long: `Make a token that lets its bearer watch the named orders, and print it. It is
signed with the first configured key that has a secret or a private key. A shop
gets its tokens from POST /v1/sessions, or makes them itself in the same form.`,
		Example: `  paybell token --order A1001
  paybell token --order A1001 --order A1002 --subject u42 --ttl 15m
  curl -N -H "Authorization: Bearer $(paybell token --order A1001)" http://127.0.0.1:8080/v1/sse`,
		Args: exactly(),
	}
	path := configFlag(cmd, "the configuration file with the keys")
	orders := cmd.Flags().StringArray("order", nil, "an order that the token opens; may be repeated")
	subject := cmd.Flags().String("subject", "", "whose token it is")
	ttl := cmd.Flags().Duration("ttl", auth.DefaultLifetime, "how long it is good for, 15m at most")
	asJSON := cmd.Flags().Bool("json", false, "print an object with token and expires_at")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(*orders) == 0 {
			return misusef(cmd, "name an order with --order; a token opens no others")
		}
		c, err := loadConfig(*path, os.Environ())
		if err != nil {
			return err
		}
		minter, err := buildMinter(c, nil)
		if err != nil {
			return err
		}
		token, claims, err := minter.Mint(*subject, *orders, *ttl)
		if err != nil {
			return err
		}
		if !*asJSON {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		}
		return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
			Token     string    `json:"token"`
			ExpiresAt time.Time `json:"expires_at"`
		}{token, claims.Expires.UTC()})
	}
	return cmd
}
