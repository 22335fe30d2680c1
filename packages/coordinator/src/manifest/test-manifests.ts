/** Parts of manifests for tests. The keys belong to nobody. */

type Json = Record<string, unknown>

export const uniqueId = '7a'.repeat(32)
export const signerId = 'c1'.repeat(32)

/** The smallest manifest that is accepted, with further members. */
export const manifestWith = (members: Json = {}): Json => ({
  Packages: { app: { UniqueID: uniqueId } },
  Marbles: { web: { Package: 'app' } },
  ...members,
})

/** Self-signed, P-256. */
export const firstCertificate = `-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIUesQLNfFJeqfzFb+/wVwYeGOL2IEwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFZmlyc3QwIBcNMjYxMTIyMTQxMTU4WhgPMjEyNjEwMjkxNDEx
NThaMBAxDjAMBgNVBAMMBWZpcnN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
ZGBCF5kLBd8N+oE5CzdjIKZam1LbrVC2mbXaZUUvMKaXoAb231ktTEYb6fpDItIF
lYaIizMdihFtmXwpGpN6XqNTMFEwHQYDVR0OBBYEFJ+LgF/hpL6AsWQzPRkEUbdl
CziDMB8GA1UdIwQYMBaAFJ+LgF/hpL6AsWQzPRkEUbdlCziDMA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgTeBMnglNqD2ZdrVBRkapWC21Hbp9r0DF
09EYyqOaxvwCIQD9HZjPPZeOBG/NTREs2qg0+QED4QWqBiolnNJPdNickw==
-----END CERTIFICATE-----
`

export const secondCertificate = `-----BEGIN CERTIFICATE-----
MIIBejCCAR+gAwIBAgIUTSBpWsLbwxgjWZDRJ+9WZrKE8q0wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGc2Vjb25kMCAXDTI2MTEyMjE0MTE1OFoYDzIxMjYxMDI5MTQx
MTU4WjARMQ8wDQYDVQQDDAZzZWNvbmQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAQqVEIhrQ14Y/5QsH268L2FmMT/X8L2vz9Rz0uFd9zSo6M/cdFwmZ4CImF3x+lF
pTsSCl5uwbgRFTjSf9Y4V0qQo1MwUTAdBgNVHQ4EFgQU1OZRWJk22kvGrQFMcb85
zQLhAx0wHwYDVR0jBBgwFoAU1OZRWJk22kvGrQFMcb85zQLhAx0wDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAmZuN/ZiQ2tmqaOhoUA6QVbNN0oxG
qKiKuAOPV0IibfECIQCEjJ+1zu/61WJci37nR2jiCekeVOGLLW5s+le1Sj8F4A==
-----END CERTIFICATE-----
`

export const rsa2048 = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3Z6ufr1YAur3LJ2Mf+1M
jpqs2j92+qLtIEo5DRoeeykQnNZHEtQt413DoaW7NuBuIp3t9gcGrib8JQ1K9Fyj
MzZUDCwPmeEG0KxyLFTTm+4NHpnz7TTjEhktlcuvsuSxL65gCHWBLVWBGHCN5Pml
gjZERIvh5rCptfIRCCngnppugpY+AC4mKRq0Z3kVgVuf9Ci7+tBdJkdD6ZNv4g3t
4CYmIGE5FfITjMHVHQoIZ5okoo6c5kFjTsWT5fMOEsgUKkKHDZQBq1wMdlEOhVGk
+ACRkr/4eRYhm5rOfLlW6ZIZGOvC+BjIjqpKH0VOt0AsGTx58ZKXNvcJYsro5LoG
9QIDAQAB
-----END PUBLIC KEY-----
`

export const rsa1024 = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC9Hn/T98arDbek5BcnJTUv/gB/
Ns1BaL9dU8VQz0V1EdO7zZRCa0wadQRPfdh1K+7511Zek5kW9iffKGIKV1rMBcNY
kKfhXf8tuZP/ajNsWrpltNZhhH98LYPAJoTqm0uHLDPE1nJlKLjZeKL7Db6lf+bM
O55RNz0bPtZq566tWQIDAQAB
-----END PUBLIC KEY-----
`

export const p256Key = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZGBCF5kLBd8N+oE5CzdjIKZam1Lb
rVC2mbXaZUUvMKaXoAb231ktTEYb6fpDItIFlYaIizMdihFtmXwpGpN6Xg==
-----END PUBLIC KEY-----
`
