//! The texts of the page, in both languages under the same keys. Texts that the requirements fix are only here. Texts of the
//! server (`error`, `detail`, a password hint) are not here, because they come in the person's language.

/** Russian for `ru`, `ru-RU`, `ru_RU` and without a language code, English for any other language. */
export function languageOf(code) {
  return !code || /^ru(?![a-z])/i.test(code) ? 'ru' : 'en';
}

/** Returns `text(key, {device: '…'})` for one language. An unknown key throws. */
export function textsIn(language) {
  const texts = TEXTS[language];
  return (key, values = {}) => {
    if (!(key in texts)) throw new Error(`no text ${key}`);
    return texts[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };
}

const ru = {
  title: 'Вход через Telegram',
  consent: 'Сервис сможет читать ваши чаты и действовать от вашего имени',
  consent_more: 'подробнее',
  consent_after: 'После входа Telegram спросит, вы ли это. Ответьте «Да, это я».',
  back: 'Назад',

  loading: '⏳ Загрузка...',
  waiting: '⏳ Ожидание авторизации...',
  code_required: '⏳ Ожидание кода...',
  password_required: '⏳ Ожидание пароля...',
  checking: '⏳ Проверяем...',
  sending_code: '⏳ Отправляем код...',
  left: 'Осталось {time}',
  offline: 'Нет связи с сервером. Пробуем снова…',

  one_phone: 'Войти по коду на этом телефоне',
  one_phone_desktop: 'Войти по коду',
  number_lead: 'Поделитесь своим номером: Telegram пришлёт код, введите его здесь.',
  share_phone: 'Поделиться номером',
  phone_label: 'Номер телефона',
  phone_example: 'Например, +7 900 000-00-00',
  send_code: 'Получить код',
  phone_bad: 'Введите номер полностью, с кодом страны. Например, +7 900 000-00-00.',
  phone_foreign: 'Это номер другого аккаунта. Нужен номер, на который зарегистрирован ваш Telegram.',
  phone_declined: 'Вы не поделились номером. Его можно ввести здесь.',
  phone_withheld: 'Вы не поделились номером, а код приходит только на ваш собственный номер.',
  share_impossible: 'Эта версия Telegram не умеет делиться номером. Обновите приложение или войдите по QR-коду.',

  to_scan: 'Есть другой экран?',
  to_scan_more: 'Войдите по QR-коду',
  scan_title: 'Отсканируйте QR-код телефоном',
  scan_title_phone: 'Войти по QR-коду',
  scan_lead_phone: 'Откройте эту страницу на другом экране — например, в Telegram на компьютере — и отсканируйте там код '
    + 'этим телефоном. Или отсканируйте код отсюда вторым телефоном, на котором открыт ваш Telegram.',
  picture_loading: 'Готовим QR-код…',
  picture_renewing: 'Обновляем QR-код…',
  picture_late: 'Код задерживается: ждём ответа Telegram…',
  picture_alt: 'QR-код для входа в Telegram',
  enlarge: 'Показать QR-код на весь экран',
  shrink: 'Свернуть QR-код',
  step_1: 'Откройте Telegram на телефоне',
  step_2: 'Настройки → Устройства → Подключить устройство',
  step_3: 'Наведите камеру на код и подтвердите вход',
  devices: '⚙️ Открыть «Устройства»',

  other_ways: 'Другие способы',
  open: '📱 Открыть в Telegram',
  help_mobile_title: 'Telegram просит отсканировать код?',
  help_mobile: 'Официальные приложения не входят по ссылке. Откройте эту страницу на другом экране и отсканируйте код '
    + 'этим телефоном: Настройки → Устройства → Подключить устройство.',
  help_mobile_one_phone: 'Другого экрана нет? Войдите по коду на этом телефоне: нажмите «Поделиться номером».',
  help_desktop_title: 'Отсканируйте код телефоном',
  help_desktop: 'Telegram на компьютере не входит по ссылке. Возьмите телефон, откройте Telegram → Настройки → '
    + 'Устройства → Подключить устройство и наведите камеру на код выше.',
  copy: '📋 Скопировать токен',
  token_label: 'Токен входа',
  copied: '✅ Токен скопирован. Он действует около 30 секунд.',
  copy_failed: 'Скопировать не получилось. Токен выделен, скопируйте его сами.',

  code_title: 'Код входа',
  sent_to: 'Отправлен на {number}',
  sent: 'Отправлен на ваш номер',
  change_number: 'изменить',
  other_number: 'Другой номер',
  other_number_lead: 'Telegram пришлёт новый код на номер, который вы укажете.',
  code_via_app: 'Telegram прислал код в чат «Telegram» в приложении. Введите его здесь и никому не пересылайте.',
  code_via_sms: 'Telegram отправил код по SMS.',
  code_via_call: 'Telegram позвонит и продиктует код.',
  code_via_flash_call: 'Telegram позвонит: код — в номере, с которого звонят.',
  code_via_missed_call: 'Telegram позвонит и сбросит. Код — последние цифры номера, с которого звонили.',
  code_via_email: 'Telegram отправил код на почту, привязанную к вашему аккаунту.',
  code_via_fragment: 'Код ждёт вас на fragment.com.',
  code_via_other: 'Telegram отправил код.',
  code_label: 'Код',
  code_bad: 'Введите цифры кода.',
  send: 'Подтвердить',
  resend: 'Отправить код ещё раз',
  resend_in: 'Отправить ещё раз через {time}',

  password_title: 'Двухэтапная проверка',
  password_lead: 'Вход подтверждён. Осталось ввести облачный пароль вашего аккаунта.',
  password_label: 'Пароль',
  password_hint: 'Подсказка: {hint}',
  password_empty: 'Введите пароль.',
  password_refused: '❌ Неверный пароль',
  password_safe: '🔒 Пароль не покидает эту страницу: сервер получает только доказательство, что вы его знаете.',
  password_unsafe: 'Ответ на запрос пароля не похож на ответ Telegram. Пароль не использован.',
  password_old: 'Этот браузер слишком старый, чтобы проверить пароль. Обновите Telegram или систему.',
  reveal: 'Показать пароль',
  log_in: 'Войти',

  authorized: '✅ Авторизация успешна!',
  authorized_text: 'Если Telegram спросит, вы ли это вошли, ответьте «Да, это я».',
  closing: 'Окно закроется само.',
  ended: '🔌 Аккаунт отключён',
  ended_text: 'Этот вход был успешным, но его сеанс завершён: у сервиса больше нет доступа к вашему аккаунту. '
    + 'Чтобы подключить его снова, отправьте боту /login.',
  handed_over: '📤 Сеанс передан другому сервису',
  handed_over_text: 'Этот сервис им больше не пользуется. Завершить сеанс можно в Telegram: Настройки → Устройства. '
    + 'Чтобы подключиться снова, отправьте боту /login.',
  replaced: '🔁 Аккаунт подключён другим входом',
  replaced_text: 'После этого входа вы вошли ещё раз, и теперь работает новый сеанс. Что подключено, покажет команда '
    + '/subscription, отключить аккаунт можно командой /logout.',
  not_found: '❌ Сессия не найдена',
  not_found_text: 'Начните вход заново: отправьте боту /login и нажмите кнопку под его ответом.',
  expired: '⏰ Время входа истекло',
  expired_text: 'Ничего не подключено.',
  cancelled: '🚫 Вход отменён',
  cancelled_text: 'Ничего не подключено.',
  rejected: '🚨 Вход подтвердил другой аккаунт',
  rejected_text: 'Ничего не подключено.',
  rejected_more: 'Никогда не сканируйте чужие QR-коды входа и не пересылайте свои.',
  failed: '❌ Не удалось войти',
  failed_text: 'Ничего не подключено. Попробуйте ещё раз.',
  stale: '🔑 Откройте страницу заново',
  stale_text: 'Эта ссылка устарела. Закройте окно и ещё раз нажмите кнопку «🔐 Открыть QR авторизацию» в чате с ботом.',
  outside: '🔑 Откройте страницу из Telegram',
  outside_text: 'Войти можно только из чата с ботом: нажмите там кнопку «🔐 Открыть QR авторизацию».',
  blocked: '⛔ Доступ заблокирован',
  blocked_text: 'Обратитесь в поддержку.',
  foreign: '⛔ Это чужой вход',
  foreign_text: 'Его начал другой человек. Чтобы войти самому, отправьте боту /login.',
  retry: '🔄 Попробовать снова',
  close: 'Закрыть',
  unexpected: 'Сервер не ответил. Попробуйте ещё раз.',

  cancel: 'Отменить вход',
  cancel_question: 'Отменить вход?',
  cancel_text: 'Ничего не подключится. Начать снова можно в любой момент.',
  cancel_no: 'Продолжить вход',

  access_title: 'Что нужно знать перед входом',
  access_what: 'Сервис подключится к аккаунту как новое устройство «{device}»: сможет читать чаты и каналы и действовать '
    + 'от вашего имени. Облачный пароль он не получит.',
  access_after: 'Сразу после входа Telegram спросит на других ваших устройствах, вы ли это. Ответьте «Да, это я»: '
    + 'ответ «Нет» завершит сеанс.',
  access_end: 'Отключить сервис можно в любой момент: Telegram → Настройки → Устройства → «{device}» → Завершить сеанс, '
    + 'или команда /logout в чате с ботом.',
  access_advice: 'Telegram следит за входами через сторонние приложения. Входите в аккаунт, которым давно пользуетесь, а не '
    + 'в новый и не на виртуальном номере, и не выключайте двухэтапную проверку. Если аккаунт ограничат, напишите на '
    + 'recover@telegram.org.',
  access_warning: 'Подтверждайте вход, только если начали его сами.',
};

const en = {
  title: 'Log in with Telegram',
  consent: 'The service will be able to read your chats and act on your behalf',
  consent_more: 'details',
  consent_after: 'After the login, Telegram will ask if it was you. Answer “Yes, it’s me”.',
  back: 'Back',

  loading: '⏳ Loading...',
  waiting: '⏳ Waiting for authorization...',
  code_required: '⏳ Waiting for the code...',
  password_required: '⏳ Waiting for the password...',
  checking: '⏳ Checking...',
  sending_code: '⏳ Sending the code...',
  left: '{time} left',
  offline: 'Can’t reach the server. Trying again…',

  one_phone: 'Log in by code on this phone',
  one_phone_desktop: 'Log in by code',
  number_lead: 'Share your number: Telegram will send you a code to enter here.',
  share_phone: 'Share my number',
  phone_label: 'Phone number',
  phone_example: 'For example, +44 7700 900123',
  send_code: 'Get the code',
  phone_bad: 'Enter the full number with its country code, like +44 7700 900123.',
  phone_foreign: 'This number belongs to another account. Use the number of your own Telegram.',
  phone_declined: 'You didn’t share your number. You can type it here.',
  phone_withheld: 'You didn’t share your number, and the code only goes to your own.',
  share_impossible: 'This version of Telegram can’t share a number. Update the app, or log in with the QR code.',

  to_scan: 'Have another screen?',
  to_scan_more: 'Log in with the QR code',
  scan_title: 'Scan the QR code with your phone',
  scan_title_phone: 'Log in with the QR code',
  scan_lead_phone: 'Open this page on another screen, for example in Telegram on a computer, and scan the code there with '
    + 'this phone. Or scan the code here with a second phone that has your Telegram.',
  picture_loading: 'Preparing the QR code…',
  picture_renewing: 'Renewing the QR code…',
  picture_late: 'The code is late: waiting for Telegram…',
  picture_alt: 'QR code to log in to Telegram',
  enlarge: 'Show the QR code full screen',
  shrink: 'Make the QR code smaller',
  step_1: 'Open Telegram on your phone',
  step_2: 'Settings → Devices → Link Desktop Device',
  step_3: 'Point the camera at the code and confirm the login',
  devices: '⚙️ Open “Devices”',

  other_ways: 'Other ways',
  open: '📱 Open in Telegram',
  help_mobile_title: 'Does Telegram ask you to scan a code?',
  help_mobile: 'The official apps don’t log in with a link. Open this page on another screen and scan the code with this '
    + 'phone: Settings → Devices → Link Desktop Device.',
  help_mobile_one_phone: 'No other screen? Log in by code on this phone: press “Share my number”.',
  help_desktop_title: 'Scan the code with your phone',
  help_desktop: 'Telegram on a computer doesn’t log in with a link. Take your phone, open Telegram → Settings → Devices → '
    + 'Link Desktop Device, and point the camera at the code above.',
  copy: '📋 Copy token',
  token_label: 'Login token',
  copied: '✅ Token copied. It works for about 30 seconds.',
  copy_failed: 'Couldn’t copy the token. It is selected, please copy it yourself.',

  code_title: 'Login code',
  sent_to: 'Sent to {number}',
  sent: 'Sent to your number',
  change_number: 'change',
  other_number: 'Another number',
  other_number_lead: 'Telegram will send a new code to the number you give.',
  code_via_app: 'The code is in the “Telegram” chat in your app. Enter it here and don’t forward it to anyone.',
  code_via_sms: 'The code comes by SMS.',
  code_via_call: 'Telegram will call you and read out the code.',
  code_via_flash_call: 'Telegram will call you: the code is in the caller’s number.',
  code_via_missed_call: 'Telegram will call you and hang up. The code is the last digits of the caller’s number.',
  code_via_email: 'The code comes to the email address of your Telegram.',
  code_via_fragment: 'The code is waiting for you on fragment.com.',
  code_via_other: 'Telegram has sent the code.',
  code_label: 'Code',
  code_bad: 'Enter the digits of the code.',
  send: 'Confirm',
  resend: 'Send the code again',
  resend_in: 'Send the code again in {time}',

  password_title: 'Two-step verification',
  password_lead: 'The login is confirmed. Enter the cloud password of your account to finish.',
  password_label: 'Password',
  password_hint: 'Hint: {hint}',
  password_empty: 'Enter the password.',
  password_refused: '❌ Wrong password',
  password_safe: '🔒 The password never leaves this page: the server only gets a proof that you know it.',
  password_unsafe: 'The request for the password doesn’t look like Telegram’s. The password was not used.',
  password_old: 'This browser is too old to check the password. Update Telegram or your system.',
  reveal: 'Show the password',
  log_in: 'Log in',

  authorized: '✅ Authorization successful!',
  authorized_text: 'If Telegram asks whether it was you, answer “Yes, it’s me”.',
  closing: 'This window closes by itself.',
  ended: '🔌 Your account is disconnected',
  ended_text: 'This login succeeded, but its session has ended: the service can’t access your account any more. '
    + 'To connect it again, send /login to the bot.',
  handed_over: '📤 The session was handed over',
  handed_over_text: 'Another service has it now, and this one doesn’t use it any more. You can end it in Telegram: Settings → '
    + 'Devices. To connect again, send /login to the bot.',
  replaced: '🔁 A newer login is connected',
  replaced_text: 'You have logged in again since, and the new session is the one in use. Send /subscription to the bot to see '
    + 'what is active, or /logout to disconnect.',
  not_found: '❌ Session not found',
  not_found_text: 'Start again: send /login to the bot and press the button below its answer.',
  expired: '⏰ The time to log in is over',
  expired_text: 'Nothing was linked.',
  cancelled: '🚫 Login cancelled',
  cancelled_text: 'Nothing was linked.',
  rejected: '🚨 Another account confirmed the login',
  rejected_text: 'Nothing was linked.',
  rejected_more: 'Never scan other people’s login QR codes, and never forward yours.',
  failed: '❌ The login failed',
  failed_text: 'Nothing was linked. Please try again.',
  stale: '🔑 Open the page again',
  stale_text: 'This link is too old. Close the window and press the “🔐” button in the chat with the bot once more.',
  outside: '🔑 Open the page from Telegram',
  outside_text: 'You can only log in from the chat with the bot: press the “🔐” button there.',
  blocked: '⛔ Access is blocked',
  blocked_text: 'Please contact support.',
  foreign: '⛔ This login is not yours',
  foreign_text: 'Somebody else started it. To log in yourself, send /login to the bot.',
  retry: '🔄 Try again',
  close: 'Close',
  unexpected: 'The server did not answer. Please try again.',

  cancel: 'Cancel the login',
  cancel_question: 'Cancel the login?',
  cancel_text: 'Nothing will be linked. You can start again at any time.',
  cancel_no: 'Keep logging in',

  access_title: 'Before you log in',
  access_what: 'The service joins your account as a new device, “{device}”: it can read your chats and channels and act on '
    + 'your behalf. It doesn’t get your cloud password.',
  access_after: 'Right after the login, Telegram asks on your other devices if it was you. Answer “Yes, it’s me”: “No” '
    + 'ends the session.',
  access_end: 'Disconnect at any time: Telegram → Settings → Devices → “{device}” → Terminate session, or send /logout to '
    + 'the bot.',
  access_advice: 'Telegram keeps an eye on logins by third-party apps. Use an account you have had for a while, not a new one '
    + 'or one on a virtual number, and keep two-step verification on. If your account gets limited, write to '
    + 'recover@telegram.org.',
  access_warning: 'Confirm a login only if you started it yourself.',
};

export const TEXTS = { ru, en };
