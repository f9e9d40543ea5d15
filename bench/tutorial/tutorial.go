// Package tutorial is the payment service that most people would write in a day: Gin, wechatpay-go, GORM and go-redis, each
// used as its documents show. The gateway is measured beside it. It keeps none of the gateway's promises: an answer that is
// lost leaves its order as it is, nobody is told of a payment, and nothing is asked again.
package tutorial

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

// Merchant is the account at WeChat Pay.
type Merchant struct {
	MchID, AppID, SerialNo, APIv3Key, PublicKeyID string
	Private                                       *rsa.PrivateKey
	Provider                                      *rsa.PublicKey
}

// Config is what the service needs.
type Config struct {
	Merchant  Merchant
	NotifyURL string
	Database  string // postgres://... or the path of an SQLite file
	Redis     string // host:port; empty: without
	// Tuned gives the database and the provider as many kept connections as there are callers, and SQLite a write-ahead log
	// with one connection, every commit synced.
	Tuned bool
	// Reach leads the SDK's transport to a provider in a test.
	Reach func(*http.Transport) *http.Transport
}

// connections is how many each pool keeps when it is tuned.
const connections = 64

// Order is a row.
type Order struct {
	ID            uint   `gorm:"primaryKey"`
	OutTradeNo    string `gorm:"uniqueIndex;size:64"`
	Amount        int64
	Description   string
	Status        string `gorm:"index;size:16"`
	CodeURL       string
	TransactionID string
	PaidAt        *time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// The states of an order.
const (
	pending = "PENDING"
	paid    = "PAID"
)

type service struct {
	config  Config
	db      *gorm.DB
	redis   *redis.Client // nil: without
	native  native.NativeApiService
	handler *notify.Handler
}

// New opens the database and returns the service's routes: POST /orders and POST /notify.
func New(ctx context.Context, c Config) (http.Handler, error) {
	s := &service{config: c}
	if err := s.openDatabase(); err != nil {
		return nil, err
	}
	if c.Redis != "" {
		s.redis = redis.NewClient(&redis.Options{Addr: c.Redis})
		if err := s.redis.Ping(ctx).Err(); err != nil {
			return nil, fmt.Errorf("reach Redis: %w", err)
		}
	}
	if err := s.openProvider(ctx); err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.Default()
	r.POST("/orders", s.create)
	r.POST("/notify", s.notified)
	return r, nil
}

func (s *service) openDatabase() error {
	var dialector gorm.Dialector
	onPostgres := strings.HasPrefix(s.config.Database, "postgres://")
	switch {
	case onPostgres:
		dialector = postgres.Open(s.config.Database)
	case s.config.Tuned:
		dialector = sqlite.Open(s.config.Database + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000")
	default:
		dialector = sqlite.Open(s.config.Database)
	}
	var err error
	if s.db, err = gorm.Open(dialector, &gorm.Config{}); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	if s.config.Tuned {
		pool, err := s.db.DB()
		if err != nil {
			return err
		}
		pool.SetMaxOpenConns(connections)
		pool.SetMaxIdleConns(connections)
		if !onPostgres {
			pool.SetMaxOpenConns(1)
		}
	}
	return s.db.AutoMigrate(&Order{})
}

func (s *service) openProvider(ctx context.Context) error {
	m := s.config.Merchant
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forbidigo // what the SDK uses where it is given nothing
	if s.config.Tuned {
		transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 4*connections, 4*connections
	}
	client, err := core.NewClient(ctx,
		option.WithWechatPayPublicKeyAuthCipher(m.MchID, m.SerialNo, m.Private, m.PublicKeyID, m.Provider),
		option.WithHTTPClient(&http.Client{Transport: s.config.Reach(transport), Timeout: 30 * time.Second}))
	if err != nil {
		return fmt.Errorf("open the SDK: %w", err)
	}
	s.native = native.NativeApiService{Client: client}
	s.handler, err = notify.NewRSANotifyHandler(m.APIv3Key, verifiers.NewSHA256WithRSAPubkeyVerifier(m.PublicKeyID, *m.Provider))
	return err
}

type createRequest struct {
	OutTradeNo  string `json:"out_trade_no" binding:"required,max=32"`
	Amount      int64  `json:"amount" binding:"required,min=1"`
	Description string `json:"description" binding:"required,max=127"`
}

// create places a Native order.
func (s *service) create(c *gin.Context) {
	ctx := c.Request.Context()
	var request createRequest
	if err := c.ShouldBindJSON(&request); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	release, err := s.lock(ctx, "order:"+request.OutTradeNo)
	if err != nil {
		c.JSON(http.StatusConflict, gin.H{"error": err.Error()})
		return
	}
	defer release()
	order := Order{OutTradeNo: request.OutTradeNo, Amount: request.Amount, Description: request.Description, Status: pending}
	if err := s.db.WithContext(ctx).Create(&order).Error; err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
		return
	}
	answer, _, err := s.native.Prepay(ctx, native.PrepayRequest{
		Appid: new(s.config.Merchant.AppID), Mchid: new(s.config.Merchant.MchID),
		Description: new(order.Description), OutTradeNo: new(order.OutTradeNo), NotifyUrl: new(s.config.NotifyURL),
		Amount: &native.Amount{Total: new(order.Amount), Currency: new("CNY")},
	})
	if err != nil {
		c.JSON(http.StatusBadGateway, gin.H{"error": err.Error()})
		return
	}
	if err := s.db.WithContext(ctx).Model(&order).Update("code_url", *answer.CodeUrl).Error; err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
		return
	}
	c.JSON(http.StatusCreated, gin.H{"out_trade_no": order.OutTradeNo, "code_url": order.CodeURL, "status": order.Status})
}

// notified marks an order paid.
func (s *service) notified(c *gin.Context) {
	ctx := c.Request.Context()
	notice := new(payments.Transaction)
	if _, err := s.handler.ParseNotifyRequest(ctx, c.Request, notice); err != nil {
		c.JSON(http.StatusUnauthorized, gin.H{"code": "FAIL", "message": err.Error()})
		return
	}
	release, err := s.lock(ctx, "notify:"+*notice.OutTradeNo)
	if err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"code": "FAIL", "message": err.Error()})
		return
	}
	defer release()
	err = s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return markPaid(tx, notice) })
	if err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"code": "FAIL", "message": err.Error()})
		return
	}
	c.JSON(http.StatusOK, gin.H{"code": "SUCCESS", "message": "OK"})
}

func markPaid(tx *gorm.DB, notice *payments.Transaction) error {
	var order Order
	if err := tx.Where("out_trade_no = ?", *notice.OutTradeNo).First(&order).Error; err != nil {
		return err
	}
	if order.Status == paid {
		return nil
	}
	if *notice.Amount.Total != order.Amount {
		return errors.New("the amount differs")
	}
	return tx.Model(&order).Where("status = ?", pending).
		Updates(map[string]any{"status": paid, "transaction_id": *notice.TransactionId, "paid_at": time.Now()}).Error
}

// lock keeps a second request for the same order out.
func (s *service) lock(ctx context.Context, name string) (release func(), err error) {
	if s.redis == nil {
		return func() {}, nil
	}
	taken, err := s.redis.SetNX(ctx, "lock:"+name, 1, 10*time.Second).Result()
	if err != nil {
		return nil, err
	}
	if !taken {
		return nil, errors.New("this order is being worked on")
	}
	return func() { s.redis.Del(context.WithoutCancel(ctx), "lock:"+name) }, nil
}
