//! The texts of the page, in both languages under the same keys. Texts that the requirements fix are only here. Texts of the
//! server (`error`, `detail`, a password hint) are not here, because they come in the person's language.

/** Russian for `ru` and without a language code, English for any other language. */
export function languageOf(code) {
  return !code || /^ru\b/i.test(code) ? 'ru' : 'en';
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
  lead: 'Отсканируйте код телефоном, на котором открыт ваш Telegram.',

  loading: '⏳ Загрузка...',
  waiting: '⏳ Ожидание авторизации...',
  code_required: '⏳ Ожидание кода...',
  password_required: '⏳ Ожидание пароля...',
  checking: '⏳ Проверяем...',
  sending_code: '⏳ Отправляем код...',
  left: 'Осталось {time}',
  offline: 'Нет связи с сервером. Пробуем снова…',

  picture_loading: 'Готовим QR-код…',
  picture_renewing: 'Обновляем QR-код…',
  picture_late: 'Код задерживается: ждём ответа Telegram…',
  picture_alt: 'QR-код для входа в Telegram',
  step_1: 'Откройте Telegram на телефоне',
  step_2: 'Настройки → Устройства → Подключить устройство',
  step_3: 'Наведите камеру на этот код и подтвердите вход',

  open: '📱 Открыть в Telegram',
  help_mobile_title: 'Telegram просит отсканировать код?',
  help_mobile: 'Так отвечают официальные приложения: по ссылке они не входят. Откройте эту страницу на другом экране '
    + '(компьютер, планшет) и отсканируйте код этим телефоном: Настройки → Устройства → Подключить устройство.',
  help_mobile_one_phone: 'Другого экрана нет? Ниже есть «Войти по коду на этом телефоне».',
  help_desktop_title: 'Отсканируйте код телефоном',
  help_desktop: 'Telegram на компьютере не входит по ссылке. Возьмите телефон и откройте Telegram → Настройки → '
    + 'Устройства → Подключить устройство, затем наведите камеру на код выше.',
  devices: '⚙️ Открыть «Устройства»',
  copy: '📋 Скопировать токен',
  token_label: 'Токен входа',
  copied: '✅ Токен скопирован. Он действует около 30 секунд.',
  copy_failed: 'Не удалось скопировать: токен выделен, скопируйте его сами.',

  one_phone: '🔢 Войти по коду на этом телефоне',
  other_number: '✏️ Другой номер',
  one_phone_lead: 'Если отсканировать экран нечем: Telegram пришлёт код входа, вы введёте его здесь.',
  share_phone: '📞 Поделиться моим номером',
  phone_label: 'Номер телефона',
  send_code: 'Получить код',
  phone_bad: 'Введите номер полностью, с кодом страны: +7 900 000-00-00',
  phone_foreign: 'Это номер другого аккаунта. Нужен номер, на который зарегистрирован ваш Telegram.',
  phone_declined: 'Номер не передан. Можно ввести его ниже.',
  phone_withheld: 'Номер не передан. Код приходит только на ваш собственный номер.',
  share_impossible: 'Эта версия Telegram не умеет делиться номером. Обновите её или войдите по QR-коду.',

  code_title: 'Код входа',
  code_via_app: 'Telegram прислал код в чат «Telegram» в приложении. Введите его здесь и никому не пересылайте.',
  code_via_sms: 'Telegram отправил код по SMS.',
  code_via_call: 'Telegram позвонит и продиктует код.',
  code_via_flash_call: 'Telegram позвонит: код — в номере звонящего.',
  code_via_missed_call: 'Telegram позвонит и сбросит: код — последние цифры номера звонящего.',
  code_via_email: 'Telegram отправил код на вашу почту для входа.',
  code_via_fragment: 'Telegram отправил код на fragment.com.',
  code_via_other: 'Telegram отправил код.',
  code_label: 'Код',
  code_bad: 'Введите цифры кода.',
  send: 'Подтвердить',
  resend: 'Отправить код ещё раз',
  resend_in: 'Отправить ещё раз можно через {time}',

  password_title: 'Двухэтапная проверка',
  password_lead: 'Вход подтверждён. У вашего аккаунта включён облачный пароль: введите его, чтобы закончить.',
  password_label: 'Пароль',
  password_hint: 'Подсказка: {hint}',
  password_empty: 'Введите пароль.',
  password_refused: '❌ Неверный пароль',
  password_safe: '🔒 Пароль не покидает эту страницу: сервер получает только доказательство, что вы его знаете.',
  password_unsafe: 'Параметры проверки пароля не похожи на те, что даёт Telegram. Пароль не использован.',
  password_old: 'Этот браузер слишком старый для проверки пароля. Обновите Telegram или систему.',
  reveal: 'Показать пароль',
  log_in: 'Войти',

  authorized: '✅ Авторизация успешна!',
  authorized_text: 'Всё готово. Подробности — в чате с ботом.',
  closing: 'Окно закроется само.',
  not_found: '❌ Сессия не найдена',
  not_found_text: 'Начните вход заново: отправьте боту /login и откройте страницу кнопкой под его ответом.',
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
  stale_text: 'Эта ссылка устарела. Закройте окно и нажмите кнопку «🔐 Открыть QR авторизацию» в чате с ботом ещё раз.',
  outside: '🔑 Откройте страницу из Telegram',
  outside_text: 'Войти можно только из чата с ботом: нажмите там кнопку «🔐 Открыть QR авторизацию».',
  blocked: '⛔ Доступ заблокирован',
  blocked_text: 'Обратитесь в поддержку.',
  foreign: '⛔ Это чужой вход',
  foreign_text: 'Эту страницу открыл другой человек. Чтобы войти самому, отправьте боту /login.',
  retry: '🔄 Попробовать снова',
  close: 'Закрыть',
  cancel: 'Отменить вход',
  unexpected: 'Сервер не смог ответить. Попробуйте ещё раз.',

  access_title: 'Какой доступ получит сервис',
  access_what: 'Сервис подключится к вашему аккаунту как новое устройство «{device}»: сможет читать чаты и каналы и '
    + 'действовать от вашего имени. Облачный пароль он не получает.',
  access_end: 'Отключить в любой момент: Telegram → Настройки → Устройства → «{device}» → Завершить сеанс, или команда '
    + '/logout в чате с ботом.',
  access_warning: 'Подтверждайте вход, только если начали его сами.',
};

const en = {
  title: 'Log in with Telegram',
  lead: 'Scan the code with the phone that has your Telegram.',

  loading: '⏳ Loading...',
  waiting: '⏳ Waiting for authorization...',
  code_required: '⏳ Waiting for the code...',
  password_required: '⏳ Waiting for the password...',
  checking: '⏳ Checking...',
  sending_code: '⏳ Sending the code...',
  left: '{time} left',
  offline: 'The server cannot be reached. Trying again…',

  picture_loading: 'Preparing the QR code…',
  picture_renewing: 'Renewing the QR code…',
  picture_late: 'The code is late: waiting for Telegram…',
  picture_alt: 'QR code to log in to Telegram',
  step_1: 'Open Telegram on your phone',
  step_2: 'Settings → Devices → Link Desktop Device',
  step_3: 'Point the camera at this code and confirm the login',

  open: '📱 Open in Telegram',
  help_mobile_title: 'Does Telegram ask you to scan the code?',
  help_mobile: 'The official apps answer so: they do not log in by a link. Open this page on another screen (a computer, '
    + 'a tablet) and scan the code with this phone: Settings → Devices → Link Desktop Device.',
  help_mobile_one_phone: 'No other screen? See “Log in by code on this phone” below.',
  help_desktop_title: 'Scan the code with your phone',
  help_desktop: 'Telegram on a computer does not log in by a link. Take your phone, open Telegram → Settings → Devices → '
    + 'Link Desktop Device, and point the camera at the code above.',
  devices: '⚙️ Open “Devices”',
  copy: '📋 Copy token',
  token_label: 'Login token',
  copied: '✅ Token copied. It works for about 30 seconds.',
  copy_failed: 'Could not copy: the token is selected, please copy it yourself.',

  one_phone: '🔢 Log in by code on this phone',
  other_number: '✏️ Another number',
  one_phone_lead: 'If nothing can scan this screen: Telegram sends a login code, and you enter it here.',
  share_phone: '📞 Share my number',
  phone_label: 'Phone number',
  send_code: 'Get the code',
  phone_bad: 'Enter the whole number with the country code: +44 7000 000000',
  phone_foreign: 'This is the number of another account. It has to be the number of your own Telegram.',
  phone_declined: 'The number was not shared. You can type it below.',
  phone_withheld: 'The number was not shared. The code goes to your own number only.',
  share_impossible: 'This version of Telegram cannot share a number. Update it, or log in by the QR code.',

  code_title: 'Login code',
  code_via_app: 'Telegram sent the code to the “Telegram” chat in your app. Enter it here and forward it to nobody.',
  code_via_sms: 'Telegram sent the code by SMS.',
  code_via_call: 'Telegram will call you and dictate the code.',
  code_via_flash_call: 'Telegram will call you: the code is in the caller’s number.',
  code_via_missed_call: 'Telegram will call you and hang up: the code is the last digits of the caller’s number.',
  code_via_email: 'Telegram sent the code to your login email.',
  code_via_fragment: 'Telegram sent the code to fragment.com.',
  code_via_other: 'Telegram sent the code.',
  code_label: 'Code',
  code_bad: 'Enter the digits of the code.',
  send: 'Confirm',
  resend: 'Send the code again',
  resend_in: 'It can be sent again in {time}',

  password_title: 'Two-step verification',
  password_lead: 'The login is confirmed. Your account has a cloud password: enter it to finish.',
  password_label: 'Password',
  password_hint: 'Hint: {hint}',
  password_empty: 'Enter the password.',
  password_refused: '❌ Wrong password',
  password_safe: '🔒 The password does not leave this page: the server only gets a proof that you know it.',
  password_unsafe: 'The parameters of the password check are not the ones Telegram gives. The password was not used.',
  password_old: 'This browser is too old for the password check. Please update Telegram or the system.',
  reveal: 'Show the password',
  log_in: 'Log in',

  authorized: '✅ Authorization successful!',
  authorized_text: 'All done. Details are in the chat with the bot.',
  closing: 'This window closes by itself.',
  not_found: '❌ Session not found',
  not_found_text: 'Start anew: send /login to the bot and open the page with the button under its answer.',
  expired: '⏰ The time to log in is over',
  expired_text: 'Nothing was linked.',
  cancelled: '🚫 Login cancelled',
  cancelled_text: 'Nothing was linked.',
  rejected: '🚨 Another account confirmed the login',
  rejected_text: 'Nothing was linked.',
  rejected_more: 'Never scan login QR codes of other people, and never forward yours.',
  failed: '❌ The login failed',
  failed_text: 'Nothing was linked. Please try again.',
  stale: '🔑 Open the page anew',
  stale_text: 'This link is too old. Close this window and press the button “🔐” in the chat with the bot again.',
  outside: '🔑 Open the page from Telegram',
  outside_text: 'One can only log in from the chat with the bot: press the button “🔐” there.',
  blocked: '⛔ Access is blocked',
  blocked_text: 'Please write to the support.',
  foreign: '⛔ This login is not yours',
  foreign_text: 'Somebody else opened this page. To log in yourself, send /login to the bot.',
  retry: '🔄 Try again',
  close: 'Close',
  cancel: 'Cancel the login',
  unexpected: 'The server could not answer. Please try again.',

  access_title: 'Which access the service gets',
  access_what: 'The service joins your account as a new device, “{device}”: it can read chats and channels and act in '
    + 'your name. It does not get your cloud password.',
  access_end: 'End it at any time: Telegram → Settings → Devices → “{device}” → Terminate session, or the command /logout '
    + 'in the chat with the bot.',
  access_warning: 'Confirm a login only if you started it yourself.',
};

export const TEXTS = { ru, en };
